// Sending without an object per datagram: one buffer by sendmsg(2), many by sendmmsg(2) over flat memory. The loops
// here decide nothing: who sends what, and what follows from an error, is TypeScript's to say.
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "args.h"
#include "handle.h"
#include "result.h"

namespace linux_sockets {

namespace {

// One message of a batch, in the order in which TypeScript writes it. `data` is an offset in the data; `address` and
// `control` are offsets in the memory beside it.
struct SendRecord {
  uint32_t data;
  uint32_t data_length;
  uint32_t address;
  uint32_t address_length;
  uint32_t control;
  uint32_t control_length;
  uint32_t tail;    // 1: a zero byte follows the data
  uint32_t unused;  // TypeScript's own
};

// So many go to the kernel at once; it would take 1024 (UIO_MAXIOV).
constexpr uint32_t kChunk = 64;

// Only read from, though iovec has no way to say so.
constexpr uint8_t kTail = 0;

bool Lies(uint32_t offset, uint32_t length, size_t size) { return offset <= size && length <= size - offset; }

// One copy of each record is checked and used: the memory may be shared with another thread, which may write to it
// meanwhile.
SendRecord RecordAt(const Bytes& records, uint32_t index) {
  SendRecord record;
  __builtin_memcpy(&record, records.data + (index * sizeof(record)), sizeof(record));  // aligned in any way
  return record;
}

bool IsInside(const SendRecord& record, const Bytes& data, const Bytes& beside) {
  return Lies(record.data, record.data_length, data.size) && record.tail <= 1 &&
         Lies(record.address, record.address_length, beside.size) &&
         Lies(record.control, record.control_length, beside.size);
}

void* At(const Bytes& bytes, uint32_t offset, uint32_t length) { return length == 0 ? nullptr : bytes.data + offset; }

}  // namespace

// sendto(2): data, or data and address. sendmsg(2): data, memory with the address at its start, the length of the
// address, and where the control messages lie in it. Each argument that is not there is time saved.
Napi::Value Handle::SendTo(const Napi::CallbackInfo& info) {
  Bytes data;
  Bytes beside;
  int32_t address_length = 0;
  int32_t control = 0;
  int32_t control_length = 0;
  if (!ReadBytes(info, 0, &data) || (info.Length() > 1 && !ReadBytes(info, 1, &beside))) return {};
  if (info.Length() <= 2) {  // a msghdr would have to be copied into the kernel first
    const auto sent = Retry(
        [&] { return ::sendto(fd_.get(), data.data, data.size, MSG_NOSIGNAL, beside.address(), beside.length()); });
    return Result(info, sent);
  }
  if (!ReadInt32(info, 2, &address_length) || !ReadInt32(info, 3, &control) || !ReadInt32(info, 4, &control_length)) {
    return {};
  }
  if (address_length < 0 || control < 0 || control_length < 0 ||
      !Lies(0, static_cast<uint32_t>(address_length), beside.size) ||
      !Lies(static_cast<uint32_t>(control), static_cast<uint32_t>(control_length), beside.size)) {
    Refuse(info, "expected an address and control messages that lie inside of the memory");
    return {};
  }
  iovec vector = {data.data, data.size};
  msghdr message{};
  message.msg_name = At(beside, 0, static_cast<uint32_t>(address_length));
  message.msg_namelen = static_cast<socklen_t>(address_length);
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = At(beside, static_cast<uint32_t>(control), static_cast<uint32_t>(control_length));
  message.msg_controllen = static_cast<size_t>(control_length);
  return Result(info, Retry([&] { return ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL); }));
}

Napi::Value Handle::SendMMsg(const Napi::CallbackInfo& info) {  // sendmmsg(2): data, beside, records, first, count
  Bytes data;
  Bytes beside;
  Bytes records;
  int32_t first = 0;
  int32_t count = 0;
  if (!ReadBytes(info, 0, &data) || !ReadBytes(info, 1, &beside) || !ReadBytes(info, 2, &records) ||
      !ReadInt32(info, 3, &first) || !ReadInt32(info, 4, &count)) {
    return {};
  }
  if (first < 0 || count < 0 ||
      (static_cast<uint64_t>(first) + static_cast<uint64_t>(count)) * sizeof(SendRecord) > records.size) {
    Refuse(info, "expected as many records as are to be sent");
    return {};
  }
  mmsghdr messages[kChunk];
  iovec vectors[kChunk][2];
  uint32_t done = 0;
  do {
    const uint32_t chunk = std::min(kChunk, static_cast<uint32_t>(count) - done);
    for (uint32_t i = 0; i < chunk; ++i) {
      const SendRecord record = RecordAt(records, static_cast<uint32_t>(first) + done + i);
      if (!IsInside(record, data, beside)) {
        if (done > 0) return Result(info, done);  // whoever goes on with the rest meets it again
        Refuse(info, "expected records that lie inside of the memory");
        return {};
      }
      vectors[i][0] = {At(data, record.data, record.data_length), record.data_length};
      vectors[i][1] = {const_cast<uint8_t*>(&kTail), record.tail};
      messages[i] = {};
      msghdr& header = messages[i].msg_hdr;
      header.msg_name = At(beside, record.address, record.address_length);
      header.msg_namelen = record.address_length;
      header.msg_iov = vectors[i];
      header.msg_iovlen = 1 + record.tail;
      header.msg_control = At(beside, record.control, record.control_length);
      header.msg_controllen = record.control_length;
    }
    // Not by libc: musl's sendmmsg is a loop of sendmsg.
    const auto sent = Retry([&] { return ::syscall(SYS_sendmmsg, fd_.get(), messages, chunk, MSG_NOSIGNAL); });
    // An error behind messages that were sent is not ours to keep: whoever goes on with the rest meets it again.
    if (sent < 0) return done > 0 ? Result(info, done) : Result(info, sent);
    done += static_cast<uint32_t>(sent);
    if (static_cast<uint32_t>(sent) < chunk) break;
  } while (done < static_cast<uint32_t>(count));
  return Result(info, done);
}

}  // namespace linux_sockets
