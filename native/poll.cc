// Poll over uv_poll_t. The libuv handle is in a separate Watcher, because libuv needs it until its close callback has
// run, which may be after the JavaScript object was collected.
#include "poll.h"

#include <uv.h>

#include <atomic>
#include <cstdlib>
#include <cstring>

#include "args.h"
#include "handle.h"
#include "report.h"
#include "result.h"

namespace linux_sockets {

namespace {

constexpr int kEvents = UV_READABLE | UV_WRITABLE | UV_DISCONNECT | UV_PRIORITIZED;

}  // namespace

// Owns a uv_poll_t. It always ends in the same way: Close, then libuv's close callback deletes it. If the environment
// is torn down first (a worker is terminated), its cleanup hook closes it, and the environment waits until that is
// done.
class Watcher {
 public:
  // 0 and *out, or a negative errno.
  static int Create(napi_env env, Poll* owner, int fd, Watcher** out) {
    uv_loop_t* loop = nullptr;
    // the size at run time: that of the Node headers used to compile this may differ.
    auto* poll = static_cast<uv_poll_t*>(std::calloc(1, uv_handle_size(UV_POLL)));
    if (poll == nullptr) return UV_ENOMEM;
    if (napi_get_uv_event_loop(env, &loop) != napi_ok) {
      std::free(poll);
      return UV_ECANCELED;
    }
    const int error = uv_poll_init(loop, poll, fd);
    if (error < 0) {
      std::free(poll);
      return error;
    }
    auto* watcher = new Watcher(owner, poll, IsDeno(env));
    if (napi_add_async_cleanup_hook(env, OnCleanup, watcher, &watcher->cleanup_) != napi_ok) {
      watcher->owner_ = nullptr;
      watcher->Close();
      return UV_ECANCELED;
    }
    *out = watcher;
    return 0;
  }

  int Start(int events) { return uv_poll_start(poll_, events, OnEvent); }
  int Stop() { return uv_poll_stop(poll_); }

  void KeepAlive(bool keep) {
    auto* handle = reinterpret_cast<uv_handle_t*>(poll_);
    keep ? uv_ref(handle) : uv_unref(handle);
  }

  // uv_close stops the poll at once, so the descriptor may be closed right after this.
  void Close() {
    if (closing_) return;
    closing_ = true;
    if (owner_ != nullptr) owner_->OnWatcherGone();
    owner_ = nullptr;
    uv_close(reinterpret_cast<uv_handle_t*>(poll_), OnClosed);
  }

 private:
  Watcher(Poll* owner, uv_poll_t* poll, bool may_be_called_late)
      : owner_(owner), poll_(poll), may_be_called_late_(may_be_called_late) {
    poll->data = this;
  }

  static void OnEvent(uv_poll_t* poll, int status, int events) {
    auto* watcher = static_cast<Watcher*>(poll->data);
    if (watcher->owner_ != nullptr) watcher->owner_->OnEvent(status, events);
  }

  static void OnCleanup(napi_async_cleanup_hook_handle, void* data) { static_cast<Watcher*>(data)->Close(); }

  static void OnClosed(uv_handle_t* handle) {
    auto* watcher = static_cast<Watcher*>(handle->data);
    if (watcher->cleanup_ != nullptr) (void)napi_remove_async_cleanup_hook(watcher->cleanup_);
    if (watcher->may_be_called_late_) watcher = Keep(watcher);
    if (watcher == nullptr) return;
    std::free(watcher->poll_);
    delete watcher;
  }

  // Deno 2.9 may call back once more after the close callback. So the memory is kept until 1024 others have been
  // closed; returns the one that is no longer needed.
  static Watcher* Keep(Watcher* watcher) {
    static std::atomic<Watcher*> kept[1024];
    static std::atomic<uint32_t> next;
    return kept[next.fetch_add(1) % 1024].exchange(watcher);
  }

  static bool IsDeno(napi_env env) {
    const napi_node_version* version = nullptr;
    return napi_get_node_version(env, &version) == napi_ok && std::strcmp(version->release, "Deno") == 0;
  }

  Poll* owner_;
  uv_poll_t* poll_;
  napi_async_cleanup_hook_handle cleanup_ = nullptr;
  bool closing_ = false;
  const bool may_be_called_late_;
};

Napi::Function Poll::Define(Napi::Env env) {
  return DefineClass(env, "Poll",
                     {
                         InstanceMethod<&Poll::Open>("open"),
                         InstanceMethod<&Poll::Start>("start"),
                         InstanceMethod<&Poll::Stop>("stop"),
                         InstanceMethod<&Poll::KeepAlive>("keepAlive"),
                         InstanceMethod<&Poll::Close>("close"),
                     });
}

Poll::Poll(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Poll>(info) {
  napi_valuetype type = napi_undefined;
  if (napi_typeof(info.Env(), info[0], &type) != napi_ok || type != napi_function) {
    Refuse(info, "expected a function");
    return;
  }
  callback_ = Napi::Weak(info[0].As<Napi::Function>());
}

Poll::~Poll() { End(); }

void Poll::End() {
  if (watcher_ != nullptr) watcher_->Close();
}

void Poll::OnEvent(int status, int events) {
  napi_env env = Env();
  napi_handle_scope scope = nullptr;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value receiver = nullptr;
  napi_value arguments[2] = {};
  Napi::Function callback = callback_.Value();
  if (status < 0) LetGo();  // libuv has stopped it
  // Not used, but Deno writes to it unchecked.
  napi_value result = nullptr;
  const bool ready = !callback.IsEmpty() && napi_get_global(env, &receiver) == napi_ok &&
                     napi_create_int32(env, status, &arguments[0]) == napi_ok &&
                     napi_create_int32(env, events, &arguments[1]) == napi_ok;
  // make_callback drains nextTicks and microtasks. In an environment that is being terminated it runs nothing and
  // fails. The callback may close this Poll, so `this` must not be used afterwards.
  if (ready && napi_make_callback(env, nullptr, receiver, callback, 2, arguments, &result) == napi_pending_exception) {
    ReportUncaught(env);
  }
  (void)napi_close_handle_scope(env, scope);
}

void Poll::OnWatcherGone() {
  watcher_ = nullptr;
  handle_->set_poll(nullptr);
  handle_ = nullptr;
  LetGo();
}

Napi::Value Poll::Open(const Napi::CallbackInfo& info) {  // uv_poll_init
  Handle* handle = Handle::FromArgument(info, 0);
  if (handle == nullptr) return {};
  if (watcher_ != nullptr) return Failure(info, EBUSY);
  if (handle->poll() != nullptr) return Failure(info, EEXIST);
  if (handle->fd() < 0) return Failure(info, EBADF);
  const int error = Watcher::Create(info.Env(), this, handle->fd(), &watcher_);
  if (error < 0) return Failure(info, -error);
  handle_ = handle;
  handle->set_poll(this);
  return Result(info, 0);
}

Napi::Value Poll::Start(const Napi::CallbackInfo& info) {  // uv_poll_start; may be repeated with other events
  int32_t events = 0;
  if (!ReadInt32(info, 0, &events)) return {};
  if (watcher_ == nullptr) return Failure(info, EBADF);
  if ((events & ~kEvents) != 0) return Failure(info, EINVAL);        // libuv would end the process
  if (callback_.Value().IsEmpty()) return Failure(info, ECANCELED);  // the callback was garbage-collected
  const int error = watcher_->Start(events);
  if (error < 0) return Failure(info, -error);
  Hold();
  return Result(info, 0);
}

Napi::Value Poll::Stop(const Napi::CallbackInfo& info) {  // uv_poll_stop
  if (watcher_ == nullptr) return Failure(info, EBADF);
  const int error = watcher_->Stop();
  LetGo();
  return error < 0 ? Failure(info, -error) : Result(info, 0);
}

Napi::Value Poll::KeepAlive(const Napi::CallbackInfo& info) {  // uv_ref for 1, uv_unref for 0
  int32_t keep = 0;
  if (!ReadInt32(info, 0, &keep)) return {};
  if (watcher_ == nullptr) return Failure(info, EBADF);
  watcher_->KeepAlive(keep != 0);
  return Result(info, 0);
}

Napi::Value Poll::Close(const Napi::CallbackInfo& info) {  // uv_close; idempotent
  End();
  return Result(info, 0);
}

void Poll::Hold() {
  if (holding_) return;
  holding_ = true;
  callback_.Ref();
  Ref();
}

void Poll::LetGo() {
  if (!holding_) return;
  holding_ = false;
  callback_.Unref();
  Unref();
}

}  // namespace linux_sockets
