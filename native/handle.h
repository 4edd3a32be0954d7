// Handle: a socket descriptor and the system calls on it. It owns the descriptor until close or detach.
#ifndef LINUX_SOCKETS_NATIVE_HANDLE_H_
#define LINUX_SOCKETS_NATIVE_HANDLE_H_

#include <napi.h>

#include "unique_fd.h"

namespace linux_sockets {

class Poll;

class Handle : public Napi::ObjectWrap<Handle> {
 public:
  // Adds the class to the exports; false with an exception pending.
  static bool Define(Napi::Env env, Napi::Object exports);
  explicit Handle(const Napi::CallbackInfo& info);

  // The argument as a Handle, or nullptr with a TypeError pending. Receivers need no such check: V8 does it.
  static Handle* FromArgument(const Napi::CallbackInfo& info, size_t index);

  int fd() const { return fd_.get(); }

  // The Poll that watches the descriptor, nullptr for none. It must end before the descriptor is closed, since libuv
  // would continue to use the number, which may then be reused.
  Poll* poll() const { return poll_; }
  void set_poll(Poll* poll) { poll_ = poll; }

  // Finalizer of a Handle that was never closed: closes it and notifies TypeScript, which emits a warning.
  void Finalize(Napi::Env env) override;

 private:
  Napi::Value Identify(const Napi::CallbackInfo& info);
  Napi::Value Make(const Napi::CallbackInfo& info);  // recipe.cc
  Napi::Value Socket(const Napi::CallbackInfo& info);
  Napi::Value Adopt(const Napi::CallbackInfo& info);
  Napi::Value Duplicate(const Napi::CallbackInfo& info);
  Napi::Value Dup3(const Napi::CallbackInfo& info);
  Napi::Value Fd(const Napi::CallbackInfo& info);
  Napi::Value Detach(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  Napi::Value Bind(const Napi::CallbackInfo& info);
  Napi::Value Connect(const Napi::CallbackInfo& info);
  Napi::Value Listen(const Napi::CallbackInfo& info);
  Napi::Value Accept(const Napi::CallbackInfo& info);
  Napi::Value Shutdown(const Napi::CallbackInfo& info);
  Napi::Value GetSockName(const Napi::CallbackInfo& info);
  Napi::Value GetPeerName(const Napi::CallbackInfo& info);
  Napi::Value SetSockOpt(const Napi::CallbackInfo& info);
  Napi::Value GetSockOpt(const Napi::CallbackInfo& info);
  Napi::Value AttachFilter(const Napi::CallbackInfo& info);
  Napi::Value SendMsg(const Napi::CallbackInfo& info);
  Napi::Value RecvMsg(const Napi::CallbackInfo& info);
  Napi::Value RecvMmsg(const Napi::CallbackInfo& info);
  Napi::Value SendTo(const Napi::CallbackInfo& info);    // batch.cc
  Napi::Value SendMMsg(const Napi::CallbackInfo& info);  // batch.cc

  void EndPoll();

  UniqueFd fd_;
  Poll* poll_ = nullptr;
};

// The same calls on a descriptor that is not owned here: setsockopt, getsockopt, attachFilter, getsockname by number.
void DefineBorrowed(Napi::Env env, Napi::Object exports);

}  // namespace linux_sockets

#endif  // LINUX_SOCKETS_NATIVE_HANDLE_H_
