// Network interfaces: name to index and back.
#ifndef LINUX_SOCKETS_NATIVE_INTERFACES_H_
#define LINUX_SOCKETS_NATIVE_INTERFACES_H_

#include <napi.h>

namespace linux_sockets {

void DefineInterfaces(Napi::Env env, Napi::Object exports);

}  // namespace linux_sockets

#endif  // LINUX_SOCKETS_NATIVE_INTERFACES_H_
