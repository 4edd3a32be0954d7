// Sends a batch of datagrams with sendmmsg(2) from records that TypeScript writes into flat memory. It makes no
// decisions and is independent of JavaScript: the fuzzer runs it with a fake kernel.
#ifndef LINUX_SOCKETS_NATIVE_SEND_BATCH_H_
#define LINUX_SOCKETS_NATIVE_SEND_BATCH_H_

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "bytes.h"

namespace linux_sockets {

// One message. `data` is an offset in the data; `address` and `control` are offsets in the second memory area.
struct SendRecord {
  uint32_t data;
  uint32_t data_length;
  uint32_t address;
  uint32_t address_length;
  uint32_t control;
  uint32_t control_length;
  uint32_t tail;    // 1: a zero byte follows the data
  uint32_t unused;  // used by TypeScript only
};

// Messages per system call; the kernel accepts 1024 (UIO_MAXIOV).
constexpr uint32_t kSendChunk = 64;

// A result of SendBatch::Run: the first record refers to memory outside the given areas.
constexpr int64_t kRecordOutside = -2;

struct SendBatch {
  Bytes data;
  Bytes beside;
  Bytes records;

  bool HasRecords(int32_t first, int32_t count) const {
    return first >= 0 && count >= 0 &&
           (static_cast<uint64_t>(first) + static_cast<uint64_t>(count)) * sizeof(SendRecord) <= records.size;
  }

  // Sends `count` records from `first` on, for which HasRecords is true. `send(messages, length)` is sendmmsg(2): how
  // many were sent, or -1. Returns how many were sent in all; send's negative result when the first call fails; or
  // kRecordOutside. A later failure, or a later invalid record, is not reported: it occurs again when the caller
  // continues with the rest.
  template <typename Send>
  int64_t Run(uint32_t first, uint32_t count, Send send) const {
    mmsghdr messages[kSendChunk];
    iovec vectors[kSendChunk][2];
    uint32_t done = 0;
    do {
      const uint32_t chunk = std::min(kSendChunk, count - done);
      for (uint32_t i = 0; i < chunk; ++i) {
        if (!Prepare(first + done + i, &messages[i], vectors[i])) return done > 0 ? done : kRecordOutside;
      }
      const int64_t sent = send(messages, chunk);
      if (sent < 0) return done > 0 ? done : sent;
      done += static_cast<uint32_t>(sent);
      if (sent < chunk) break;
    } while (done < count);
    return done;
  }

 private:
  // False if the record refers to memory outside.
  bool Prepare(uint32_t index, mmsghdr* message, iovec* vectors) const {
    // The same copy is checked and used, since another thread may write to shared memory at the same time.
    SendRecord record;
    __builtin_memcpy(&record, records.data + (index * sizeof(record)), sizeof(record));  // aligned in any way
    if (!data.Contains(record.data, record.data_length) || record.tail > 1 ||
        !beside.Contains(record.address, record.address_length) ||
        !beside.Contains(record.control, record.control_length)) {
      return false;
    }
    vectors[0] = {data.At(record.data, record.data_length), record.data_length};
    vectors[1] = {const_cast<uint8_t*>(&kTail), record.tail};
    *message = {};
    msghdr& header = message->msg_hdr;
    header.msg_name = beside.At(record.address, record.address_length);
    header.msg_namelen = record.address_length;
    header.msg_iov = vectors;
    header.msg_iovlen = 1 + record.tail;
    header.msg_control = beside.At(record.control, record.control_length);
    header.msg_controllen = record.control_length;
    return true;
  }

  // Only read from, although iovec is not const.
  static constexpr uint8_t kTail = 0;
};

}  // namespace linux_sockets

#endif  // LINUX_SOCKETS_NATIVE_SEND_BATCH_H_
