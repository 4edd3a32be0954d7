// The module as used by src/binding.ts. Context-aware: all state is in the environment that loads it.
#include <napi.h>

#include "args.h"
#include "environment.h"
#include "handle.h"
#include "interfaces.h"
#include "poll.h"

namespace linux_sockets {

namespace {

Napi::Value OnLeak(const Napi::CallbackInfo& info) {
  napi_valuetype type = napi_undefined;
  if (napi_typeof(info.Env(), info[0], &type) != napi_ok || type != napi_function) {
    Refuse(info, "expected a function");
    return {};
  }
  Environment* environment = Environment::Of(info.Env());
  if (environment != nullptr) environment->SetLeakReporter(info.Env(), info[0]);
  return info.Env().Undefined();
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  if (!Environment::Attach(env)) return exports;
  if (!Handle::Define(env, exports)) return exports;
  exports.Set("Poll", Poll::Define(env));
  exports.Set("onLeak", Napi::Function::New<OnLeak>(env, "onLeak"));
  DefineBorrowed(env, exports);
  DefineInterfaces(env, exports);
  return exports;
}

}  // namespace

}  // namespace linux_sockets

// The macro needs a function of this name at file scope.
static Napi::Object InitLinuxSockets(Napi::Env env, Napi::Object exports) { return linux_sockets::Init(env, exports); }
NODE_API_MODULE(linux_sockets, InitLinuxSockets)
