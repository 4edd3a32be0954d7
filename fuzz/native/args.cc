// libFuzzer: native/args.h over arguments of every kind. Decoding either succeeds, with valid memory and no exception
// pending, or fails with exactly one.
#include "args.h"

#include <cmath>

#include "fake-napi.h"
#include "support.h"

namespace {

using fuzz::Input;
using fuzz::Kind;
using fuzz::Memory;
using fuzz::Must;
using fuzz::Value;
using fuzz::World;

double NumberOf(Input* input) {
  constexpr double kNumbers[] = {0,           -0.0,       0.5,   2147483647, 2147483648, -2147483648,
                                 -2147483649, 4294967301, 1e300, NAN,        INFINITY,   -INFINITY};
  constexpr uint32_t kCount = sizeof(kNumbers) / sizeof(kNumbers[0]);
  const uint32_t choice = input->Below(kCount + 1);
  return choice < kCount ? kNumbers[choice] : input->Int32();
}

Value* TypedArray(World* world, Input* input) {
  Value* value = world->Add(Kind::kTypedArray);
  if (input->Below(8) == 1) value->type = static_cast<napi_typedarray_type>(input->Below(napi_bigint64_array + 1));
  if (input->Below(8) != 1) value->memory = std::make_unique<Memory>(input->Byte());
  return value;
}

Value* Array(World* world, Input* input) {
  Value* array = world->Add(Kind::kArray);
  const size_t length = input->Below(16) == 1 ? 1023 + input->Below(3) : input->Below(8);
  for (size_t i = 0; i < length; ++i) {
    Value* element = input->Below(16) == 1 ? world->Add(static_cast<Kind>(input->Below(5))) : TypedArray(world, input);
    array->elements.push_back(element);
  }
  for (Value* element : array->elements) {
    switch (input->Below(16)) {
      case 1:
        element->detaches = array->elements[input->Byte() % length];
        break;
      case 2:
        element->shortens = array;
        break;
      case 3:
        element->throws = true;
        break;
      default:
        break;
    }
  }
  return array;
}

Value* Argument(World* world, Input* input) {
  switch (static_cast<Kind>(input->Below(5))) {
    case Kind::kNumber: {
      Value* value = world->Add(Kind::kNumber);
      value->number = NumberOf(input);
      return value;
    }
    case Kind::kTypedArray:
      return TypedArray(world, input);
    case Kind::kArray:
      return Array(world, input);
    case Kind::kOther:
      return world->Add(Kind::kOther);
    case Kind::kUndefined:
      break;
  }
  return world->Add(Kind::kUndefined);
}

bool IsBytes(const Value* value) {
  return value->kind == Kind::kTypedArray && value->type == napi_uint8_array && value->memory != nullptr;
}

void Use(const void* data, size_t size) {
  Must(size > 0 || data == nullptr, "an empty range has no pointer");
  fuzz::ReadAll(data, size);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  Input input(bytes, size);
  World world;
  if (input.Below(16) == 1) world.number_status = napi_generic_failure;
  const size_t count = input.Below(8);
  const size_t wanted = input.Below(8);
  uint8_t kinds[8];
  input.Fill(kinds, sizeof(kinds));
  for (size_t i = 0; i < count; ++i) world.arguments.push_back(Argument(&world, &input));

  const Napi::CallbackInfo info(Napi::Env(world.env()), world.info());
  // As in every native method: lists come first, since reading one may run a caller's code.
  linux_sockets::Vectors vectors;
  linux_sockets::Bytes decoded[8];
  linux_sockets::OptionValue values[8];
  bool read = true;
  size_t at = 0;
  const bool list = wanted > 0 && kinds[0] % 4 == 3;
  if (list) read = vectors.Read(info, at++);
  for (; read && at < wanted; ++at) {
    int32_t number = 0;
    const Value* given = at < count ? world.arguments[at] : &world.undefined;
    switch (kinds[at] % 3) {
      case 0:
        read = linux_sockets::ReadInt32(info, at, &number);
        Must(!read || (given->kind == Kind::kNumber && given->number == number),
             "an int32 is the number that was given");
        break;
      case 1:
        read = linux_sockets::ReadBytes(info, at, &decoded[at]);
        Must(!read || IsBytes(given), "bytes are those of a Uint8Array");
        break;
      default:
        read = values[at].Read(info, at);
        Must(!read || IsBytes(given) || given->kind == Kind::kNumber, "a value is a number or a Uint8Array");
        break;
    }
  }
  Must(world.pending == (read ? 0 : 1), "an exception is pending if and only if the value was refused");
  if (!read) return 0;
  if (list) {
    for (size_t i = 0; i < vectors.count(); ++i) Use(vectors.data()[i].iov_base, vectors.data()[i].iov_len);
  }
  for (size_t i = list ? 1 : 0; i < wanted; ++i) {
    Use(decoded[i].data, decoded[i].size);
    Use(values[i].data(), values[i].length());
  }
  return 0;
}
