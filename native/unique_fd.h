// The owner of a file descriptor. 0 is a valid descriptor.
#ifndef LINUX_SOCKETS_NATIVE_UNIQUE_FD_H_
#define LINUX_SOCKETS_NATIVE_UNIQUE_FD_H_

#include <unistd.h>

namespace linux_sockets {

class UniqueFd {
 public:
  UniqueFd() = default;
  ~UniqueFd() { Close(); }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  UniqueFd(UniqueFd&&) = delete;
  UniqueFd& operator=(UniqueFd&&) = delete;

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

  // Takes ownership. Must be empty.
  void Own(int fd) { fd_ = fd; }

  // Gives ownership away.
  int Release() {
    const int fd = fd_;
    fd_ = kNone;
    return fd;
  }

  // close(2); 0 when there was nothing to close. Linux frees the number even if it fails with EINTR, so it is never
  // retried: the number may already be reused.
  int Close() {
    const int fd = Release();
    return fd < 0 ? 0 : ::close(fd);
  }

 private:
  static constexpr int kNone = -1;
  int fd_ = kNone;
};

}  // namespace linux_sockets

#endif  // LINUX_SOCKETS_NATIVE_UNIQUE_FD_H_
