// Classic BPF filters: the two calls on options that are not made of bytes alone.
#ifndef LINUX_SOCKETS_NATIVE_FILTER_H_
#define LINUX_SOCKETS_NATIVE_FILTER_H_

#include <napi.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>

namespace linux_sockets {

// setsockopt(2) of a struct sock_fprog: level, name, and the program as an array of struct sock_filter.
Napi::Value AttachFilterTo(const Napi::CallbackInfo& info, int fd, size_t first);

// Bytes that one unit of getsockopt's length stands for. SO_GET_FILTER counts instructions: taken for bytes, a length
// would let the kernel write eight times as much.
socklen_t UnitOfLength(int32_t level, int32_t name);

}  // namespace linux_sockets

#endif  // LINUX_SOCKETS_NATIVE_FILTER_H_
