// The creation of a socket as data: steps in a flat arena, written by TypeScript and run in order. It makes no
// decisions and is independent of JavaScript: the fuzzer runs it with a fake kernel.
#ifndef LINUX_SOCKETS_NATIVE_RECIPE_H_
#define LINUX_SOCKETS_NATIVE_RECIPE_H_

#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace linux_sockets {

// The system call of a step; src/source/recipe.ts has the same numbers.
enum class Call : uint32_t {
  kSocket = 1,        // a: domain, b: type, c: protocol
  kSetInt = 2,        // a: level, b: name, c: value
  kSetBytes = 3,      // a: level, b: name; bytes at offset, length
  kAttachFilter = 4,  // a: level, b: name; struct sock_filter at offset, length
  kBind = 5,          // sockaddr at offset, length
  kConnect = 6,       // sockaddr at offset, length
  kListen = 7,        // a: backlog
  kGetSockName = 8,   // room for a sockaddr at offset, length
  kGetSockOpt = 9,    // a: level, b: name; room at offset, length
};

struct Step {
  uint32_t call;
  int32_t a;
  int32_t b;
  int32_t c;
  uint32_t offset;  // in the arena, in bytes
  uint32_t length;
  int32_t tolerated;  // a positive errno that is ignored; 0 for none
  int32_t result;     // written: 0, the length that was read, or a negative errno that was tolerated
};

struct RecipeHeader {
  uint32_t steps;   // they follow the header
  uint32_t failed;  // written: the index of the step that failed, or the number of steps
};

constexpr size_t kMaxSteps = 256;

// A copy of the steps, all checked before the first one runs: the kernel may write to the arena during the run (values
// read back).
class Recipe {
 public:
  // False when the arena is not a recipe: a socket first and nowhere else, known calls, and memory inside the arena.
  bool Read(const uint8_t* arena, size_t size) {
    RecipeHeader header;
    if (size < sizeof(header)) return false;
    __builtin_memcpy(&header, arena, sizeof(header));
    if (header.steps < 1 || header.steps > kMaxSteps) return false;
    if ((size - sizeof(header)) / sizeof(Step) < header.steps) return false;
    __builtin_memcpy(steps_, arena + sizeof(header), header.steps * sizeof(Step));
    count_ = header.steps;
    for (size_t i = 0; i < count_; ++i) {
      const Step& step = steps_[i];
      const bool is_socket = step.call == static_cast<uint32_t>(Call::kSocket);
      if (is_socket != (i == 0)) return false;
      if (step.call < 1 || step.call > static_cast<uint32_t>(Call::kGetSockOpt) || step.tolerated < 0) return false;
      if (step.offset > size || step.length > size - step.offset) return false;
    }
    return true;
  }

  // Returns 0, or -1 with errno set and `failed` the step. `Kernel` has one method for each call, which returns -1 with
  // errno set on failure.
  template <typename Kernel>
  int Run(uint8_t* arena, Kernel* kernel) {
    for (failed_ = 0; failed_ < count_; ++failed_) {
      Step& step = steps_[failed_];
      const int result = Dispatch(step, arena + step.offset, kernel);
      if (result < 0 && (step.tolerated == 0 || errno != step.tolerated)) return -1;
      step.result = result < 0 ? -errno : result;
    }
    return 0;
  }

  // Writes the results of the run to the arena: the failed step, and the results of those before it.
  void WriteBack(uint8_t* arena) const {
    const auto failed = static_cast<uint32_t>(failed_);
    __builtin_memcpy(arena + offsetof(RecipeHeader, failed), &failed, sizeof(failed));
    for (size_t i = 0; i < failed_; ++i) {
      uint8_t* at = arena + sizeof(RecipeHeader) + i * sizeof(Step) + offsetof(Step, result);
      __builtin_memcpy(at, &steps_[i].result, sizeof(steps_[i].result));
    }
  }

 private:
  template <typename Kernel>
  static int Dispatch(const Step& step, uint8_t* data, Kernel* kernel) {
    switch (static_cast<Call>(step.call)) {
      case Call::kSocket:
        return kernel->Socket(step.a, step.b, step.c);
      case Call::kSetInt:
        return kernel->SetOption(step.a, step.b, &step.c, sizeof(step.c));
      case Call::kSetBytes:
        return kernel->SetOption(step.a, step.b, data, step.length);
      case Call::kAttachFilter:
        return kernel->AttachFilter(step.a, step.b, data, step.length);
      case Call::kBind:
        return kernel->Bind(data, step.length);
      case Call::kConnect:
        return kernel->Connect(data, step.length);
      case Call::kListen:
        return kernel->Listen(step.a);
      case Call::kGetSockName:
        return kernel->GetSockName(data, step.length);
      case Call::kGetSockOpt:
        return kernel->GetOption(step.a, step.b, data, step.length);
    }
    errno = EINVAL;  // 0 is not a call
    return -1;
  }

  Step steps_[kMaxSteps];  // the first count_ of them are written
  size_t count_ = 0;
  size_t failed_ = 0;
};

}  // namespace linux_sockets

#endif  // LINUX_SOCKETS_NATIVE_RECIPE_H_
