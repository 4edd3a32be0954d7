// Passes classic BPF programs to the kernel, as a struct with a pointer, which JavaScript cannot write.
#include "filter.h"

#include <linux/filter.h>

#include "args.h"
#include "result.h"

namespace linux_sockets {

namespace {

bool IsProgram(size_t size) {
  const size_t count = size / sizeof(sock_filter);
  return count >= 1 && count <= BPF_MAXINSNS && size % sizeof(sock_filter) == 0;
}

}  // namespace

Napi::Value AttachFilterTo(const Napi::CallbackInfo& info, int fd, size_t first) {
  int32_t level = 0;
  int32_t name = 0;
  Bytes program;
  if (!ReadInt32(info, first, &level) || !ReadInt32(info, first + 1, &name) || !ReadBytes(info, first + 2, &program)) {
    return {};
  }
  if (!IsProgram(program.size)) {
    Refuse(info, "expected 1 to 4096 struct sock_filter");
    return {};
  }
  return Result(info, AttachProgram(fd, level, name, program.data, program.size));
}

int AttachProgram(int fd, int level, int name, const uint8_t* program, size_t size) {
  if (!IsProgram(size)) {
    errno = EINVAL;
    return -1;
  }
  sock_fprog filter{};
  filter.len = static_cast<uint16_t>(size / sizeof(sock_filter));
  // The kernel copies it, from any alignment, and does not write to it.
  filter.filter = reinterpret_cast<sock_filter*>(const_cast<uint8_t*>(program));
  return ::setsockopt(fd, level, name, &filter, sizeof(filter));
}

int64_t ReadOption(int fd, int level, int name, uint8_t* value, size_t size) {
  const socklen_t unit = level == SOL_SOCKET && name == SO_GET_FILTER ? sizeof(sock_filter) : 1;
  socklen_t length = static_cast<socklen_t>(size) / unit;
  // If there is no room for one instruction, pass 0: the kernel then returns the required length.
  const int result = ::getsockopt(fd, level, name, length == 0 ? nullptr : value, &length);
  return result < 0 ? result : static_cast<int64_t>(length) * unit;
}

}  // namespace linux_sockets
