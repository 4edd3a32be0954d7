// if_nametoindex(3) and if_indextoname(3): sysfs shows the namespace that mounted it, not ours.
#include "interfaces.h"

#include <net/if.h>

#include "args.h"
#include "result.h"

namespace linux_sockets {

namespace {

Napi::Value IfNameToIndex(const Napi::CallbackInfo& info) {  // if_nametoindex(3); the name ends with a zero byte
  Bytes name;
  if (!ReadBytes(info, 0, &name)) return {};
  if (name.size == 0 || name.data[name.size - 1] != 0) {
    Refuse(info, "expected a name that ends with a zero byte");
    return {};
  }
  const unsigned index = ::if_nametoindex(reinterpret_cast<const char*>(name.data));
  return index == 0 ? Result(info, -1) : Result(info, index);
}

Napi::Value IfIndexToName(const Napi::CallbackInfo& info) {  // if_indextoname(3) into at least 16 bytes
  int32_t index = 0;
  Bytes name;
  if (!ReadInt32(info, 0, &index) || !ReadBytes(info, 1, &name)) return {};
  if (name.size < IF_NAMESIZE) {
    Refuse(info, "expected 16 bytes for the name");
    return {};
  }
  const char* found = ::if_indextoname(static_cast<unsigned>(index), reinterpret_cast<char*>(name.data));
  return Result(info, found == nullptr ? -1 : static_cast<int64_t>(__builtin_strlen(found)));
}

}  // namespace

void DefineInterfaces(Napi::Env env, Napi::Object exports) {
  exports.Set("ifNameToIndex", Napi::Function::New<IfNameToIndex>(env, "ifNameToIndex"));
  exports.Set("ifIndexToName", Napi::Function::New<IfIndexToName>(env, "ifIndexToName"));
}

}  // namespace linux_sockets
