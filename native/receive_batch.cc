// recvmmsg(2): datagrams into the slots of flat arenas, with no object for any of them. Nothing is decoded here.
#include <sys/socket.h>

#include "args.h"
#include "handle.h"
#include "result.h"

namespace linux_sockets {

namespace {

// What a message was, in the order in which TypeScript reads it.
struct SlotResult {
  uint32_t data_length;
  uint32_t name_length;
  uint32_t control_length;
  uint32_t flags;
};

constexpr size_t kMostSlots = 256;

}  // namespace

Napi::Value Handle::RecvMmsg(const Napi::CallbackInfo& info) {  // recvmmsg(2): count, data, names, control, result
  int32_t count = 0;
  Bytes data;
  Bytes names;
  Bytes control;
  Bytes out;
  if (!ReadInt32(info, 0, &count) || !ReadBytes(info, 1, &data) || !ReadBytes(info, 2, &names) ||
      !ReadBytes(info, 3, &control) || !ReadBytes(info, 4, &out)) {
    return {};
  }
  const size_t slots = out.size / sizeof(SlotResult);
  if (slots < 1 || slots > kMostSlots || out.size % sizeof(SlotResult) != 0) {
    Refuse(info, "expected 16 bytes of result for each of 1 to 256 slots");
    return {};
  }
  if (count < 1 || static_cast<size_t>(count) > slots) {
    Refuse(info, "expected a count of 1 up to the number of slots");
    return {};
  }
  const size_t wanted = static_cast<size_t>(count);
  const size_t data_size = data.size / slots;
  const size_t name_size = names.size / slots;
  const size_t control_size = control.size / slots;

  // Only what is used is written: clearing all of it would cost more than a datagram.
  mmsghdr messages[kMostSlots];
  iovec vectors[kMostSlots];
  const int received = Retry([&] {
    for (size_t i = 0; i < wanted; ++i) {
      vectors[i].iov_base = data.data + i * data_size;
      vectors[i].iov_len = data_size;
      messages[i] = {};
      messages[i].msg_hdr.msg_name = names.data + i * name_size;
      messages[i].msg_hdr.msg_namelen = static_cast<socklen_t>(name_size);
      messages[i].msg_hdr.msg_iov = &vectors[i];
      messages[i].msg_hdr.msg_iovlen = 1;
      messages[i].msg_hdr.msg_control = control.data + i * control_size;
      messages[i].msg_hdr.msg_controllen = control_size;
    }
    return ::recvmmsg(fd_.get(), messages, static_cast<unsigned>(wanted), 0, nullptr);
  });
  if (received < 0) return Result(info, received);
  for (size_t i = 0; i < static_cast<size_t>(received); ++i) {
    const SlotResult result = {messages[i].msg_len, messages[i].msg_hdr.msg_namelen,
                               static_cast<uint32_t>(messages[i].msg_hdr.msg_controllen),
                               static_cast<uint32_t>(messages[i].msg_hdr.msg_flags)};
    __builtin_memcpy(out.data + i * sizeof(result), &result, sizeof(result));
  }
  return Result(info, received);
}

}  // namespace linux_sockets
