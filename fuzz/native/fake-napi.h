// The few functions of Node-API that native/args.h calls, over values that an input has chosen: every type, detached
// buffers, getters that detach. No JavaScript engine.
#ifndef LINUX_SOCKETS_FUZZ_NATIVE_FAKE_NAPI_H_
#define LINUX_SOCKETS_FUZZ_NATIVE_FAKE_NAPI_H_

#include <napi.h>

#include <memory>
#include <vector>

#include "support.h"

namespace fuzz {

enum class Kind { kUndefined, kNumber, kTypedArray, kArray, kOther };

// A napi_value points to one of these.
struct Value {
  Kind kind = Kind::kUndefined;
  double number = 0;
  napi_typedarray_type type = napi_uint8_array;
  std::unique_ptr<Memory> memory;  // nullptr: detached
  std::vector<Value*> elements;
  Value* detaches = nullptr;  // of an element: its getter detaches that one
  Value* shortens = nullptr;  // of an element: its getter cuts this array down to one element
  bool throws = false;        // of an element: its getter throws
};

struct World {
  std::vector<std::unique_ptr<Value>> values;
  std::vector<Value*> arguments;
  Value undefined;
  int pending = 0;                      // exceptions that were thrown
  napi_status number_status = napi_ok;  // the status of reading a number

  Value* Add(Kind kind) {
    values.push_back(std::make_unique<Value>());
    values.back()->kind = kind;
    return values.back().get();
  }

  napi_env env() { return reinterpret_cast<napi_env>(this); }
  napi_callback_info info() { return reinterpret_cast<napi_callback_info>(this); }
};

inline World* WorldOf(napi_env env) { return reinterpret_cast<World*>(env); }
inline Value* ValueOf(napi_value value) { return reinterpret_cast<Value*>(value); }
inline napi_value Wrap(Value* value) { return reinterpret_cast<napi_value>(value); }

}  // namespace fuzz

extern "C" {

napi_status napi_get_cb_info(napi_env, napi_callback_info info, size_t* count, napi_value* arguments, napi_value* self,
                             void** data) {
  auto* world = reinterpret_cast<fuzz::World*>(info);
  for (size_t i = 0; i < *count; ++i) {
    arguments[i] = fuzz::Wrap(i < world->arguments.size() ? world->arguments[i] : &world->undefined);
  }
  *count = world->arguments.size();
  if (self != nullptr) *self = fuzz::Wrap(&world->undefined);
  if (data != nullptr) *data = nullptr;
  return napi_ok;
}

napi_status napi_get_undefined(napi_env env, napi_value* result) {
  *result = fuzz::Wrap(&fuzz::WorldOf(env)->undefined);
  return napi_ok;
}

napi_status napi_get_value_double(napi_env env, napi_value value, double* result) {
  if (fuzz::ValueOf(value)->kind != fuzz::Kind::kNumber) return napi_number_expected;
  *result = fuzz::ValueOf(value)->number;
  return fuzz::WorldOf(env)->number_status;
}

napi_status napi_get_typedarray_info(napi_env, napi_value array, napi_typedarray_type* type, size_t* length,
                                     void** data, napi_value* buffer, size_t* offset) {
  const fuzz::Value* value = fuzz::ValueOf(array);
  if (value->kind != fuzz::Kind::kTypedArray) return napi_invalid_arg;
  if (type != nullptr) *type = value->type;
  // The pointer of an empty view may have any value.
  if (length != nullptr) *length = value->memory == nullptr ? 0 : value->memory->size();
  if (data != nullptr) *data = value->memory == nullptr ? reinterpret_cast<void*>(1) : value->memory->data();
  if (buffer != nullptr) *buffer = array;
  if (offset != nullptr) *offset = 0;
  return napi_ok;
}

napi_status napi_is_detached_arraybuffer(napi_env, napi_value buffer, bool* result) {
  *result = fuzz::ValueOf(buffer)->memory == nullptr;
  return napi_ok;
}

napi_status napi_is_array(napi_env, napi_value value, bool* result) {
  *result = fuzz::ValueOf(value)->kind == fuzz::Kind::kArray;
  return napi_ok;
}

napi_status napi_get_array_length(napi_env, napi_value array, uint32_t* result) {
  *result = static_cast<uint32_t>(fuzz::ValueOf(array)->elements.size());
  return napi_ok;
}

napi_status napi_get_element(napi_env env, napi_value array, uint32_t index, napi_value* result) {
  auto& elements = fuzz::ValueOf(array)->elements;
  fuzz::Value* element = index < elements.size() ? elements[index] : &fuzz::WorldOf(env)->undefined;
  *result = fuzz::Wrap(element);
  if (element->detaches != nullptr) element->detaches->memory.reset();
  if (element->shortens != nullptr && element->shortens->elements.size() > 1) element->shortens->elements.resize(1);
  if (!element->throws) return napi_ok;
  fuzz::WorldOf(env)->pending++;
  return napi_pending_exception;
}

napi_status napi_throw_type_error(napi_env env, const char*, const char*) {
  // As Node does: a second one is not thrown while another is pending.
  if (fuzz::WorldOf(env)->pending > 0) return napi_pending_exception;
  fuzz::WorldOf(env)->pending++;
  return napi_ok;
}

}  // extern "C"

#endif  // LINUX_SOCKETS_FUZZ_NATIVE_FAKE_NAPI_H_
