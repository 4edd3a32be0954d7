// Poll: readiness of a Handle's descriptor, on the environment's own event loop.
#ifndef LINUX_SOCKETS_NATIVE_POLL_H_
#define LINUX_SOCKETS_NATIVE_POLL_H_

#include <napi.h>

namespace linux_sockets {

class Handle;
class Watcher;

// new Poll(callback), then open(handle). callback(status, events) is uv_poll's: status 0 and the events that are ready
// (1 readable, 2 writable), or a negative status when the socket has an error, and libuv has then stopped the poll.
// While it is started, a Poll keeps itself and its callback alive; while it is not, its owner does.
class Poll : public Napi::ObjectWrap<Poll> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit Poll(const Napi::CallbackInfo& info);
  ~Poll() override;

  void OnEvent(int status, int events);
  // The watcher is closing, by whichever way.
  void OnWatcherGone();
  // Stops for good; the Handle's descriptor may be closed then.
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
