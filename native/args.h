// Decoding of arguments. Anything but an int32, a Uint8Array or an array of those is a TypeError: napi's own
// conversions turn NaN into 0 and 2**32 + 5 into 5, and close(0) would close standard input. With C++ exceptions off a
// pending JavaScript exception stops nothing: decode everything, return on false, then call.
#ifndef LINUX_SOCKETS_NATIVE_ARGS_H_
#define LINUX_SOCKETS_NATIVE_ARGS_H_

#include <napi.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

#include "bytes.h"

namespace linux_sockets {

[[gnu::cold, gnu::noinline]] inline bool Refuse(const Napi::CallbackInfo& info, const char* message) {
  // If this fails, an exception is already pending or the environment is being torn down: the caller returns in both
  // cases.
  (void)napi_throw_type_error(info.Env(), "ERR_INVALID_ARG_TYPE", message);
  return false;
}

// False for NaN, fractions and values out of range.
inline bool ToInt32(double value, int32_t* out) {
  if (!(value >= INT32_MIN && value <= INT32_MAX)) return false;
  *out = static_cast<int32_t>(value);
  return static_cast<double>(*out) == value;
}

inline bool ReadInt32(const Napi::CallbackInfo& info, size_t index, int32_t* out) {
  double value = 0;
  if (napi_get_value_double(info.Env(), info[index], &value) == napi_ok && ToInt32(value, out)) return true;
  return Refuse(info, "expected an int32");
}

inline bool IsDetached(napi_env env, napi_value array) {
  napi_value buffer = nullptr;
  bool detached = false;
  return napi_get_typedarray_info(env, array, nullptr, nullptr, nullptr, &buffer, nullptr) != napi_ok ||
         napi_is_detached_arraybuffer(env, buffer, &detached) != napi_ok || detached;
}

// The memory of one Uint8Array. A detached buffer is refused: it looks like an empty one, and sending an empty datagram
// has an effect.
inline bool BytesOf(const Napi::CallbackInfo& info, napi_value value, Bytes* out) {
  napi_env env = info.Env();
  napi_typedarray_type type = napi_int8_array;
  void* data = nullptr;
  size_t size = 0;
  if (napi_get_typedarray_info(env, value, &type, &size, &data, nullptr, nullptr) != napi_ok ||
      type != napi_uint8_array) {
    return Refuse(info, "expected a Uint8Array");
  }
  if (size == 0) {
    if (IsDetached(env, value)) return Refuse(info, "the Uint8Array's buffer is detached");
    data = nullptr;
  }
  out->data = static_cast<uint8_t*>(data);
  out->size = size;
  return true;
}

inline bool ReadBytes(const Napi::CallbackInfo& info, size_t index, Bytes* out) {
  return BytesOf(info, info[index], out);
}

// An option's value: an int, given as a number (as for most options), or bytes.
class OptionValue {
 public:
  bool Read(const Napi::CallbackInfo& info, size_t index) {
    double value = 0;
    const napi_status status = napi_get_value_double(info.Env(), info[index], &value);
    if (status == napi_number_expected) return ReadBytes(info, index, &bytes_);
    if (status != napi_ok || !ToInt32(value, &number_)) return Refuse(info, "expected an int32 or a Uint8Array");
    bytes_.data = reinterpret_cast<uint8_t*>(&number_);
    bytes_.size = sizeof(number_);
    return true;
  }

  const void* data() const { return bytes_.data; }
  socklen_t length() const { return bytes_.length(); }

 private:
  int32_t number_ = 0;
  Bytes bytes_;
};

// Scatter/gather: an array of Uint8Array, at most as many as the kernel takes in one message.
class Vectors {
 public:
  bool Read(const Napi::CallbackInfo& info, size_t index) {
    napi_env env = info.Env();
    bool is_array = false;
    uint32_t length = 0;
    if (napi_is_array(env, info[index], &is_array) != napi_ok || !is_array ||
        napi_get_array_length(env, info[index], &length) != napi_ok) {
      return Refuse(info, "expected an array of Uint8Array");
    }
    if (length > kMaxVectors) return Refuse(info, "expected at most 1024 Uint8Arrays");  // UIO_MAXIOV
    // Two rounds: an element may have a getter, and a getter may detach the buffer of an element before it.
    napi_value elements[kMaxVectors];
    for (uint32_t i = 0; i < length; ++i) {
      if (napi_get_element(env, info[index], i, &elements[i]) != napi_ok) return Refuse(info, "expected a Uint8Array");
    }
    for (uint32_t i = 0; i < length; ++i) {
      Bytes bytes;
      if (!BytesOf(info, elements[i], &bytes)) return false;
      vectors_[i].iov_base = bytes.data;
      vectors_[i].iov_len = bytes.size;
    }
    count_ = length;
    return true;
  }

  iovec* data() { return vectors_; }
  size_t count() const { return count_; }

 private:
  static constexpr size_t kMaxVectors = 1024;
  iovec vectors_[kMaxVectors];
  size_t count_ = 0;
};

}  // namespace linux_sockets

#endif  // LINUX_SOCKETS_NATIVE_ARGS_H_
