// The state of the addon for one JavaScript environment (the main thread or a worker). There is no other state.
#ifndef LINUX_SOCKETS_NATIVE_ENVIRONMENT_H_
#define LINUX_SOCKETS_NATIVE_ENVIRONMENT_H_

#include <napi.h>

namespace linux_sockets {

class Handle;

class Environment {
 public:
  // Attaches a new one to the environment, which owns it. False with an exception pending.
  static bool Attach(napi_env env);
  // nullptr while the environment is being torn down.
  static Environment* Of(napi_env env);

  // The function that is called for every descriptor that the garbage collector closed.
  bool SetLeakReporter(napi_env env, napi_value reporter);
  void ReportLeak(napi_env env, int fd);

  // The method of Handle that passes its receiver to Found.
  bool SetIdentify(napi_env env, napi_value identify);
  void Found(Handle* handle) { found_ = handle; }
  // The value as a Handle; nullptr if it is not one.
  Handle* HandleOf(napi_env env, napi_value value);

 private:
  napi_ref leak_reporter_ = nullptr;
  napi_ref identify_ = nullptr;
  Handle* found_ = nullptr;
};

}  // namespace linux_sockets

#endif  // LINUX_SOCKETS_NATIVE_ENVIRONMENT_H_
