// recvmmsg(2): receives datagrams into the slots of flat arenas, without an object per datagram. Nothing is decoded
// here.
#include <sys/socket.h>

#include "args.h"
#include "handle.h"
#include "receive_slots.h"
#include "result.h"

namespace linux_sockets {

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
  ReceiveSlots slots;
  const char* wrong = slots.Set(count, data, names, control, out);
  if (wrong != nullptr) {
    Refuse(info, wrong);
    return {};
  }
  const int received = Retry([&] {
    slots.Prepare();
    return ::recvmmsg(fd_.get(), slots.messages(), slots.count(), 0, nullptr);
  });
  if (received > 0) slots.Report(static_cast<size_t>(received));
  return Result(info, received);
}

}  // namespace linux_sockets
