// Poll: readiness of a Handle's descriptor, on the environment's own event loop.
#ifndef LINUX_SOCKETS_NATIVE_POLL_H_
#define LINUX_SOCKETS_NATIVE_POLL_H_

#include <napi.h>

namespace linux_sockets {

class Handle;
class Watcher;

// new Poll(callback), then open(handle). callback(status, events) is uv_poll's: status 0 and the events that are ready
// (1 readable, 2 writable), or a negative status if the socket has an error, in which case libuv has stopped the poll.
// A started Poll keeps itself and its callback alive; otherwise its owner must.
class Poll : public Napi::ObjectWrap<Poll> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit Poll(const Napi::CallbackInfo& info);
  ~Poll() override;

  void OnEvent(int status, int events);
  // Called when the watcher is closing, for any reason.
  void OnWatcherGone();
  // Stops permanently; the Handle's descriptor may be closed afterwards.
  void End();

 private:
  Napi::Value Open(const Napi::CallbackInfo& info);
  Napi::Value Start(const Napi::CallbackInfo& info);
  Napi::Value Stop(const Napi::CallbackInfo& info);
  Napi::Value KeepAlive(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  void Hold();
  void LetGo();

  Napi::FunctionReference callback_;
  Handle* handle_ = nullptr;
  Watcher* watcher_ = nullptr;
  bool holding_ = false;
};

}  // namespace linux_sockets

#endif  // LINUX_SOCKETS_NATIVE_POLL_H_
