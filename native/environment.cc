// Per-environment state: one object in the environment's instance data.
#include "environment.h"

#include "report.h"

namespace linux_sockets {

bool Environment::Attach(napi_env env) {
  auto* environment = new Environment();
  const napi_status status = napi_set_instance_data(
      env, environment, [](napi_env, void* data, void*) { delete static_cast<Environment*>(data); }, nullptr);
  if (status != napi_ok) delete environment;
  return status == napi_ok;
}

Environment* Environment::Of(napi_env env) {
  void* data = nullptr;
  return napi_get_instance_data(env, &data) == napi_ok ? static_cast<Environment*>(data) : nullptr;
}

bool Environment::SetLeakReporter(napi_env env, napi_value reporter) {
  napi_ref next = nullptr;
  if (napi_create_reference(env, reporter, 1, &next) != napi_ok) return false;
  if (leak_reporter_ != nullptr && napi_delete_reference(env, leak_reporter_) != napi_ok) return false;
  leak_reporter_ = next;
  return true;
}

bool Environment::SetIdentify(napi_env env, napi_value identify) {
  return napi_create_reference(env, identify, 1, &identify_) == napi_ok;
}

Handle* Environment::HandleOf(napi_env env, napi_value value) {
  napi_value identify = nullptr;
  found_ = nullptr;
  if (napi_get_reference_value(env, identify_, &identify) != napi_ok || identify == nullptr) return nullptr;
  if (napi_call_function(env, value, identify, 0, nullptr, nullptr) == napi_pending_exception) {
    napi_value ignored = nullptr;
    (void)napi_get_and_clear_last_exception(env, &ignored);  // the caller reports its own error
    return nullptr;
  }
  return found_;
}

void Environment::ReportLeak(napi_env env, int fd) {
  napi_value receiver = nullptr;
  napi_value reporter = nullptr;
  napi_value argument = nullptr;
  if (leak_reporter_ == nullptr || napi_get_undefined(env, &receiver) != napi_ok ||
      napi_get_reference_value(env, leak_reporter_, &reporter) != napi_ok || reporter == nullptr ||
      napi_create_int32(env, fd, &argument) != napi_ok) {
    return;
  }
  // An environment that is being torn down no longer runs JavaScript, and its open descriptors are not leaks.
  if (napi_call_function(env, receiver, reporter, 1, &argument, nullptr) == napi_pending_exception) {
    ReportUncaught(env);
  }
}

}  // namespace linux_sockets
