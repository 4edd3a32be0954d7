// libFuzzer: native/recipe.h over a kernel that reads or writes all that it is given, and whose results are the input's
// choice. Values that are read back may lie anywhere in the arena, even on the steps themselves.
#include "recipe.h"

#include "support.h"

namespace {

using fuzz::Input;
using fuzz::Memory;
using fuzz::Must;

class Kernel {
 public:
  Kernel(Input* input, const Memory& arena) : input_(input), arena_(arena) {}

  int Socket(int, int, int) {
    Must(calls_ == 0, "the first step, and no other, is socket");
    return Answer(0);
  }
  int SetOption(int, int, const void* value, uint32_t length) { return Taken(value, length); }
  int AttachFilter(int, int, const uint8_t* program, uint32_t length) { return Taken(program, length); }
  int Bind(const uint8_t* address, uint32_t length) { return Taken(address, length); }
  int Connect(const uint8_t* address, uint32_t length) { return Taken(address, length); }
  int Listen(int) { return Answer(0); }
  int GetSockName(uint8_t* address, uint32_t room) { return Given(address, room); }
  int GetOption(int, int, uint8_t* value, uint32_t room) { return Given(value, room); }

  size_t calls() const { return calls_; }

 private:
  int Taken(const void* data, uint32_t length) {
    Must(calls_ > 0, "the socket comes first");
    fuzz::ReadAll(data, length);
    return Answer(0);
  }

  int Given(uint8_t* room, uint32_t length) {
    Must(calls_ > 0, "the socket comes first");
    Must(room >= arena_.data() && length <= arena_.size(), "what is read back goes into the arena");
    fuzz::WriteAll(room, length, input_->Byte());
    return Answer(static_cast<int>(length));
  }

  int Answer(int result) {
    ++calls_;
    const uint8_t error = input_->Byte();
    if (error == 0) return result;
    errno = error;
    return -1;
  }

  Input* input_;
  const Memory& arena_;
  size_t calls_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  Input input(bytes, size);
  Memory answers(&input, 16);
  const Memory arena(&input, input.left());
  linux_sockets::Recipe recipe;
  if (!recipe.Read(arena.data(), arena.size())) return 0;

  linux_sockets::RecipeHeader header;
  std::memcpy(&header, arena.data(), sizeof(header));
  const uint32_t steps = header.steps;
  Input answer(answers.data(), answers.size());
  Kernel kernel(&answer, arena);
  errno = 0;
  const int result = recipe.Run(arena.data(), &kernel);
  const int error = errno;
  recipe.WriteBack(arena.data());
  std::memcpy(&header, arena.data(), sizeof(header));
  Must(header.failed <= steps, "the step that failed is one of the steps");
  Must((header.failed == steps) == (result == 0), "without a failure every step has run");
  Must(result == 0 || error > 0, "a failure has an errno");
  Must(kernel.calls() <= steps, "no step runs twice");
  return 0;
}
