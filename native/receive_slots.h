// Flat arenas, divided into slots of equal size, for recvmmsg(2). Independent of JavaScript: the fuzzer runs it with a
// fake kernel.
#ifndef LINUX_SOCKETS_NATIVE_RECEIVE_SLOTS_H_
#define LINUX_SOCKETS_NATIVE_RECEIVE_SLOTS_H_

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

#include "bytes.h"

namespace linux_sockets {

// The result of one message, in the order in which TypeScript reads it.
struct SlotResult {
  uint32_t data_length;
  uint32_t name_length;
  uint32_t control_length;
  uint32_t flags;
};

constexpr size_t kMaxSlots = 256;

class ReceiveSlots {
 public:
  // `out` has one SlotResult for each slot, which determines the number of slots; `count` of them are used. Returns
  // nullptr, or an error message.
  const char* Set(int32_t count, const Bytes& data, const Bytes& names, const Bytes& control, const Bytes& out) {
    const size_t slots = out.size / sizeof(SlotResult);
    if (slots < 1 || slots > kMaxSlots || out.size % sizeof(SlotResult) != 0) {
      return "expected 16 bytes of result for each of 1 to 256 slots";
    }
    if (count < 1 || static_cast<size_t>(count) > slots) return "expected a count of 1 up to the number of slots";
    count_ = static_cast<size_t>(count);
    data_ = {data.data, data.size / slots};
    names_ = {names.data, names.size / slots};
    control_ = {control.data, control.size / slots};
    out_ = out.data;
    return nullptr;
  }

  // Must be called before each system call, which overwrites the lengths. Only the used fields are written: clearing
  // everything would cost more than receiving a datagram.
  void Prepare() {
    for (size_t i = 0; i < count_; ++i) {
      vectors_[i].iov_base = data_.data + i * data_.size;
      vectors_[i].iov_len = data_.size;
      messages_[i] = {};
      msghdr& header = messages_[i].msg_hdr;
      header.msg_name = names_.data + i * names_.size;
      header.msg_namelen = names_.length();
      header.msg_iov = &vectors_[i];
      header.msg_iovlen = 1;
      header.msg_control = control_.data + i * control_.size;
      header.msg_controllen = control_.size;
    }
  }

  mmsghdr* messages() { return messages_; }
  unsigned count() const { return static_cast<unsigned>(count_); }

  // Writes a SlotResult for each message that the kernel has delivered.
  void Report(size_t received) {
    for (size_t i = 0; i < received; ++i) {
      const msghdr& header = messages_[i].msg_hdr;
      const SlotResult result = {messages_[i].msg_len, header.msg_namelen, static_cast<uint32_t>(header.msg_controllen),
                                 static_cast<uint32_t>(header.msg_flags)};
      __builtin_memcpy(out_ + i * sizeof(result), &result, sizeof(result));
    }
  }

 private:
  // The sizes are per slot.
  Bytes data_;
  Bytes names_;
  Bytes control_;
  uint8_t* out_ = nullptr;
  size_t count_ = 0;
  mmsghdr messages_[kMaxSlots];
  iovec vectors_[kMaxSlots];
};

}  // namespace linux_sockets

#endif  // LINUX_SOCKETS_NATIVE_RECEIVE_SLOTS_H_
