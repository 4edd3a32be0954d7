// Handle.make: runs a recipe (recipe.h) on an empty Handle.
#include "recipe.h"

#include <sys/socket.h>

#include "args.h"
#include "filter.h"
#include "handle.h"
#include "result.h"

namespace linux_sockets {

namespace {

// The system calls of a recipe on the one descriptor that it opens.
class SystemCalls {
 public:
  int Socket(int domain, int type, int protocol) {
    const int fd = ::socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    if (fd < 0) return fd;
    fd_.Own(fd);
    return 0;
  }

  int SetOption(int level, int name, const void* value, uint32_t length) const {
    return ::setsockopt(fd_.get(), level, name, value, length);
  }

  int AttachFilter(int level, int name, const uint8_t* program, uint32_t length) const {
    return AttachProgram(fd_.get(), level, name, program, length);
  }

  int Bind(const uint8_t* address, uint32_t length) const {
    return ::bind(fd_.get(), reinterpret_cast<const sockaddr*>(address), length);
  }

  int Connect(const uint8_t* address, uint32_t length) const {
    return ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(address), length);
  }

  int Listen(int backlog) const { return ::listen(fd_.get(), backlog); }

  int GetSockName(uint8_t* address, uint32_t room) const {
    socklen_t length = room;
    const int result = ::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(address), &length);
    return result < 0 ? result : static_cast<int>(length);
  }

  int GetOption(int level, int name, uint8_t* value, uint32_t room) const {
    return static_cast<int>(ReadOption(fd_.get(), level, name, value, room));
  }

  UniqueFd fd_;
};

}  // namespace

Napi::Value Handle::Make(const Napi::CallbackInfo& info) {
  Bytes arena;
  if (!ReadBytes(info, 0, &arena)) return {};
  if (fd_.valid()) return Failure(info, EBUSY);
  Recipe recipe;
  if (!recipe.Read(arena.data, arena.size)) {
    Refuse(info, "expected a recipe");
    return {};
  }
  SystemCalls calls;
  const int result = recipe.Run(arena.data, &calls);
  const int error = errno;  // closing the descriptor may change it
  recipe.WriteBack(arena.data);
  if (result < 0) {
    calls.fd_.Close();
    return Failure(info, error);
  }
  fd_.Own(calls.fd_.Release());
  return Result(info, 0);
}

}  // namespace linux_sockets
