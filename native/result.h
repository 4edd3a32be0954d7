// The return value of a native method: a result >= 0, or -errno, including -EAGAIN.
#ifndef LINUX_SOCKETS_NATIVE_RESULT_H_
#define LINUX_SOCKETS_NATIVE_RESULT_H_

#include <napi.h>

#include <cerrno>
#include <cstdint>

namespace linux_sockets {

// Repeats a system call while a signal interrupts it. Not for close(2) and connect(2), which have taken effect when
// interrupted.
template <typename Call>
auto Retry(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

// errno is read here, before any other call can change it.
// Lengths fit: one call moves at most 0x7ffff000 bytes (MAX_RW_COUNT).
inline Napi::Value Result(const Napi::CallbackInfo& info, int64_t result) {
  const auto value = static_cast<int32_t>(result < 0 ? -errno : result);
  napi_value out = nullptr;
  if (napi_create_int32(info.Env(), value, &out) != napi_ok) return {};
  return {info.Env(), out};
}

inline Napi::Value Failure(const Napi::CallbackInfo& info, int error) {
  errno = error;
  return Result(info, -1);
}

}  // namespace linux_sockets

#endif  // LINUX_SOCKETS_NATIVE_RESULT_H_
