// libFuzzer: native/send_batch.h and native/receive_slots.h over a kernel that reads or writes all that it is given,
// and whose results are the input's choice.
#include <algorithm>
#include <cerrno>

#include "receive_slots.h"
#include "send_batch.h"
#include "support.h"

namespace {

using fuzz::Input;
using fuzz::Memory;
using fuzz::Must;

void Send(Input* input) {
  const Memory data(input->Byte() + input->Below(4) * 256U);
  const Memory beside(input->Byte());
  const int32_t first = input->Below(4) == 0 ? input->Int32() : static_cast<int32_t>(input->Below(8));
  const int32_t count = input->Below(4) == 0 ? input->Int32() : static_cast<int32_t>(input->Byte());
  Memory results(input, 8);
  // All records are the same except those of the input: filling more than one chunk takes many of them.
  const size_t repeated = input->Byte() * sizeof(linux_sockets::SendRecord);
  const size_t own = input->left();
  Memory records(own + repeated);
  input->Fill(records.data(), own);
  for (size_t at = own; at < records.size(); ++at) {
    records.data()[at] =
        at < sizeof(linux_sockets::SendRecord) ? 0 : records.data()[at - sizeof(linux_sockets::SendRecord)];
  }

  const linux_sockets::SendBatch batch = {data.bytes(), beside.bytes(), records.bytes()};
  if (!batch.HasRecords(first, count)) return;
  uint64_t total = 0;
  size_t calls = 0;
  bool failed_first = false;
  const int64_t sent = batch.Run(
      static_cast<uint32_t>(first), static_cast<uint32_t>(count), [&](const mmsghdr* messages, uint32_t length) {
        Must(length <= linux_sockets::kSendChunk, "a chunk is at most kSendChunk messages");
        Must(length == std::min<uint64_t>(linux_sockets::kSendChunk, static_cast<uint64_t>(count) - total),
             "the last chunk has the remaining messages");
        for (uint32_t i = 0; i < length; ++i) {
          const msghdr& header = messages[i].msg_hdr;
          linux_sockets::SendRecord record;
          std::memcpy(&record, records.data() + (static_cast<size_t>(first) + total + i) * sizeof(record),
                      sizeof(record));
          Must(header.msg_iov[0].iov_len == record.data_length && header.msg_namelen == record.address_length &&
                   header.msg_controllen == record.control_length && header.msg_iovlen == 1 + record.tail,
               "a message matches its record");
          fuzz::ReadAll(header.msg_name, header.msg_namelen);
          fuzz::ReadAll(header.msg_control, header.msg_controllen);
          for (size_t v = 0; v < header.msg_iovlen; ++v) {
            fuzz::ReadAll(header.msg_iov[v].iov_base, header.msg_iov[v].iov_len);
          }
        }
        const uint8_t choice = results.data()[calls++ % results.size()];
        if (choice == 255) {
          failed_first = total == 0;
          errno = ENOBUFS;
          return int64_t{-1};
        }
        const int64_t taken = choice == 0 ? length : choice % (length + 1);
        total += static_cast<uint64_t>(taken);
        return taken;
      });
  if (sent == linux_sockets::kRecordOutside) {
    Must(total == 0, "a record outside is reported only before anything was sent");
  } else if (sent < 0) {
    Must(failed_first, "a failure is reported only before anything was sent");
  } else {
    Must(static_cast<uint64_t>(sent) == total && sent <= count, "the result is the number of messages sent");
  }
}

void Receive(Input* input) {
  const Memory out(input->Below(2) == 0 ? input->Below(20) * sizeof(linux_sockets::SlotResult)
                                        : input->Byte() * 17U + input->Byte());
  const Memory data(input->Byte() * 8U);
  const Memory names(input->Byte() * 8U);
  const Memory control(input->Byte());
  const int32_t count = input->Below(2) == 0 ? static_cast<int32_t>(input->Below(20)) : input->Int32();
  linux_sockets::ReceiveSlots slots;
  if (slots.Set(count, data.bytes(), names.bytes(), control.bytes(), out.bytes()) != nullptr) return;
  Must(slots.count() == static_cast<unsigned>(count), "there are as many slots as requested");
  for (uint32_t interrupted = input->Below(3); interrupted > 0; --interrupted) slots.Prepare();
  slots.Prepare();
  const size_t received = input->Below(slots.count() + 1);
  for (size_t i = 0; i < slots.count(); ++i) {
    msghdr& header = slots.messages()[i].msg_hdr;
    const auto slot = static_cast<uint8_t>(i + 1);
    fuzz::WriteAll(header.msg_name, header.msg_namelen, slot);
    fuzz::WriteAll(header.msg_control, header.msg_controllen, slot);
    fuzz::WriteAll(header.msg_iov->iov_base, header.msg_iov->iov_len, slot);
    header.msg_controllen = input->Byte();
    header.msg_flags = input->Byte();
    slots.messages()[i].msg_len = input->Byte();
  }
  // Slots do not overlap: each still has its own bytes.
  for (size_t i = 0; i < slots.count(); ++i) {
    const iovec& vector = *slots.messages()[i].msg_hdr.msg_iov;
    const auto* bytes = static_cast<const uint8_t*>(vector.iov_base);
    Must(std::count(bytes, bytes + vector.iov_len, static_cast<uint8_t>(i + 1)) ==
             static_cast<std::ptrdiff_t>(vector.iov_len),
         "slots do not overlap");
  }
  slots.Report(received);
  for (size_t i = 0; i < received; ++i) {
    linux_sockets::SlotResult result;
    std::memcpy(&result, out.data() + i * sizeof(result), sizeof(result));
    Must(result.data_length == slots.messages()[i].msg_len, "a slot has the result of its message");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  Input input(bytes, size);
  if (input.Below(2) == 0) {
    Send(&input);
  } else {
    Receive(&input);
  }
  return 0;
}
