// Classic BPF filters: the two calls for options that contain pointers.
#ifndef LINUX_SOCKETS_NATIVE_FILTER_H_
#define LINUX_SOCKETS_NATIVE_FILTER_H_

#include <napi.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>

namespace linux_sockets {

// setsockopt(2) of a struct sock_fprog: level, name, and the program as an array of struct sock_filter.
Napi::Value AttachFilterTo(const Napi::CallbackInfo& info, int fd, size_t first);

// The same without JavaScript: 0, or -1 with errno set.
int AttachProgram(int fd, int level, int name, const uint8_t* program, size_t size);

// getsockopt(2) into `size` bytes; the length of the value in bytes, or -1 with errno set. SO_GET_FILTER counts
// instructions: taken for bytes, its length would let the kernel write eight times as much.
int64_t ReadOption(int fd, int level, int name, uint8_t* value, size_t size);

}  // namespace linux_sockets

#endif  // LINUX_SOCKETS_NATIVE_FILTER_H_
