// Reports an exception that JavaScript throws into native code without a JavaScript caller.
#ifndef LINUX_SOCKETS_NATIVE_REPORT_H_
#define LINUX_SOCKETS_NATIVE_REPORT_H_

#include <node_api.h>

namespace linux_sockets {

// Passes the pending exception to process.on('uncaughtException'), as for any callback from the event loop.
inline void ReportUncaught(napi_env env) {
  napi_value error = nullptr;
  if (napi_get_and_clear_last_exception(env, &error) == napi_ok) (void)napi_fatal_exception(env, error);
}

}  // namespace linux_sockets

#endif  // LINUX_SOCKETS_NATIVE_REPORT_H_
