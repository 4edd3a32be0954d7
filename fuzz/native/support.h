// What the libFuzzer targets share: an input read as decisions, memory of exactly the size asked for, and checks.
#ifndef LINUX_SOCKETS_FUZZ_NATIVE_SUPPORT_H_
#define LINUX_SOCKETS_FUZZ_NATIVE_SUPPORT_H_

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "bytes.h"

namespace fuzz {

// Ends the process with a message, as a finding.
inline void Must(bool holds, const char* rule) {
  if (holds) return;
  std::fprintf(stderr, "not true: %s\n", rule);
  std::abort();
}

// When an input ends, the remaining choices are all 0.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), left_(size) {}

  uint8_t Byte() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }

  uint32_t Below(uint32_t end) { return Byte() % end; }

  int32_t Int32() {
    uint32_t value = 0;
    for (int shift = 0; shift < 32; shift += 8) value |= static_cast<uint32_t>(Byte()) << shift;
    return static_cast<int32_t>(value);
  }

  // Copies the rest of the input, followed by zeros.
  void Fill(uint8_t* into, size_t size) {
    const size_t given = size < left_ ? size : left_;
    if (given > 0) std::memcpy(into, data_, given);
    if (size > given) std::memset(into + given, 0, size - given);
    data_ += given;
    left_ -= given;
  }

  size_t left() const { return left_; }

 private:
  const uint8_t* data_;
  size_t left_;
};

// On the heap, so that AddressSanitizer knows both of its ends.
class Memory {
 public:
  explicit Memory(size_t size) : bytes_(new uint8_t[size]), size_(size) { std::memset(bytes_.get(), 0xa5, size); }
  Memory(Input* input, size_t size) : Memory(size) { input->Fill(bytes_.get(), size); }

  uint8_t* data() const { return bytes_.get(); }
  size_t size() const { return size_; }
  linux_sockets::Bytes bytes() const { return {size_ == 0 ? nullptr : bytes_.get(), size_}; }

 private:
  std::unique_ptr<uint8_t[]> bytes_;
  size_t size_;
};

// Reads every byte, as the kernel would.
inline void ReadAll(const void* data, size_t size) {
  static volatile uint8_t sum;
  for (size_t i = 0; i < size; ++i) sum = static_cast<uint8_t>(sum + static_cast<const uint8_t*>(data)[i]);
}

// Writes every byte, as the kernel would.
inline void WriteAll(void* data, size_t size, uint8_t value) {
  for (size_t i = 0; i < size; ++i) static_cast<volatile uint8_t*>(data)[i] = value;
}

}  // namespace fuzz

#endif  // LINUX_SOCKETS_FUZZ_NATIVE_SUPPORT_H_
