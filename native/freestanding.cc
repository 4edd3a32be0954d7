// The few functions of libstdc++ that the headers need, so that one binary, linked against nothing, works with glibc,
// musl and every Node version. A sanitizer build links the real library instead.
#ifndef LINUX_SOCKETS_HOSTED

#include <cstddef>
#include <cstdlib>
#include <new>

void* operator new(std::size_t size) {
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) std::abort();  // as operator new does with exceptions off
  return memory;
}

void* operator new[](std::size_t size) { return ::operator new(size); }

void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

// The names are libstdc++'s and the C++ ABI's, not ours to choose.
// NOLINTBEGIN(cert-dcl58-cpp,bugprone-reserved-identifier)
namespace std {
[[noreturn]] void __throw_length_error(const char*) { std::abort(); }
}  // namespace std

// A virtual call on an object under construction or destruction: never happens, but vtables reference it.
extern "C" [[noreturn]] void __cxa_pure_virtual() { std::abort(); }
// NOLINTEND(cert-dcl58-cpp,bugprone-reserved-identifier)

#endif  // LINUX_SOCKETS_HOSTED
