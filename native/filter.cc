// A classic BPF program goes to the kernel as a struct with a pointer, which JavaScript cannot write.
#include "filter.h"

#include <linux/filter.h>

#include "args.h"
#include "result.h"

namespace linux_sockets {

Napi::Value AttachFilterTo(const Napi::CallbackInfo& info, int fd, size_t first) {
  int32_t level = 0;
  int32_t name = 0;
  Bytes program;
  if (!ReadInt32(info, first, &level) || !ReadInt32(info, first + 1, &name) || !ReadBytes(info, first + 2, &program)) {
    return {};
  }
  const size_t count = program.size / sizeof(sock_filter);
  if (count < 1 || count > BPF_MAXINSNS || program.size % sizeof(sock_filter) != 0) {
    Refuse(info, "expected 1 to 4096 struct sock_filter");
    return {};
  }
  sock_fprog filter{};
  filter.len = static_cast<uint16_t>(count);
  filter.filter = reinterpret_cast<sock_filter*>(program.data);  // the kernel copies it, from any alignment
  return Result(info, ::setsockopt(fd, level, name, &filter, sizeof(filter)));
}

socklen_t UnitOfLength(int32_t level, int32_t name) {
  return level == SOL_SOCKET && name == SO_GET_FILTER ? sizeof(sock_filter) : 1;
}

}  // namespace linux_sockets
