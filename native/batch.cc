// Sending without an object per datagram: one buffer with sendmsg(2), many with sendmmsg(2) from flat memory.
// TypeScript decides what is sent and how errors are handled.
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "args.h"
#include "handle.h"
#include "result.h"
#include "send_batch.h"

namespace linux_sockets {

// sendto(2): data, or data and address. sendmsg(2): data, memory with the address at its start, the length of the
// address, and the position of the control messages in it. Fewer arguments are faster.
Napi::Value Handle::SendTo(const Napi::CallbackInfo& info) {
  Bytes data;
  Bytes beside;
  int32_t address_length = 0;
  int32_t control = 0;
  int32_t control_length = 0;
  if (!ReadBytes(info, 0, &data) || (info.Length() > 1 && !ReadBytes(info, 1, &beside))) return {};
  if (info.Length() <= 2) {  // avoids copying a msghdr into the kernel
    const auto sent = Retry(
        [&] { return ::sendto(fd_.get(), data.data, data.size, MSG_NOSIGNAL, beside.address(), beside.length()); });
    return Result(info, sent);
  }
  if (!ReadInt32(info, 2, &address_length) || !ReadInt32(info, 3, &control) || !ReadInt32(info, 4, &control_length)) {
    return {};
  }
  if (address_length < 0 || control < 0 || control_length < 0 ||
      !beside.Contains(0, static_cast<uint32_t>(address_length)) ||
      !beside.Contains(static_cast<uint32_t>(control), static_cast<uint32_t>(control_length))) {
    Refuse(info, "expected an address and control messages that lie inside of the memory");
    return {};
  }
  iovec vector = {data.data, data.size};
  msghdr message{};
  message.msg_name = beside.At(0, static_cast<uint32_t>(address_length));
  message.msg_namelen = static_cast<socklen_t>(address_length);
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = beside.At(static_cast<uint32_t>(control), static_cast<uint32_t>(control_length));
  message.msg_controllen = static_cast<size_t>(control_length);
  return Result(info, Retry([&] { return ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL); }));
}

Napi::Value Handle::SendMMsg(const Napi::CallbackInfo& info) {  // sendmmsg(2): data, beside, records, first, count
  SendBatch batch;
  int32_t first = 0;
  int32_t count = 0;
  if (!ReadBytes(info, 0, &batch.data) || !ReadBytes(info, 1, &batch.beside) || !ReadBytes(info, 2, &batch.records) ||
      !ReadInt32(info, 3, &first) || !ReadInt32(info, 4, &count)) {
    return {};
  }
  if (!batch.HasRecords(first, count)) {
    Refuse(info, "expected as many records as are to be sent");
    return {};
  }
  // Not with libc: musl's sendmmsg is a loop of sendmsg.
  const auto send = [&](mmsghdr* messages, uint32_t length) {
    return Retry([&] { return ::syscall(SYS_sendmmsg, fd_.get(), messages, length, MSG_NOSIGNAL); });
  };
  const int64_t sent = batch.Run(static_cast<uint32_t>(first), static_cast<uint32_t>(count), send);
  if (sent == kRecordOutside) {
    Refuse(info, "expected records that lie inside of the memory");
    return {};
  }
  return Result(info, sent);
}

}  // namespace linux_sockets
