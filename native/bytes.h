// Memory of a caller's Uint8Array. Independent of JavaScript, so that its decoders can be fuzzed without an engine.
#ifndef LINUX_SOCKETS_NATIVE_BYTES_H_
#define LINUX_SOCKETS_NATIVE_BYTES_H_

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>

namespace linux_sockets {

// Looked up on every call, and valid until the call returns.
struct Bytes {
  uint8_t* data = nullptr;
  size_t size = 0;

  sockaddr* address() const { return reinterpret_cast<sockaddr*>(data); }
  socklen_t length() const { return static_cast<socklen_t>(size); }

  // Whether this range is inside. Written so that the sum cannot overflow.
  bool Contains(uint32_t offset, uint32_t length) const { return offset <= size && length <= size - offset; }

  // The start of a range inside; nullptr for an empty one.
  void* At(uint32_t offset, uint32_t length) const { return length == 0 ? nullptr : data + offset; }
};

}  // namespace linux_sockets

#endif  // LINUX_SOCKETS_NATIVE_BYTES_H_
