// The system calls, one per method: decode the arguments, call, return a result >= 0 or -errno. No decisions are made
// here.
#include "handle.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "args.h"
#include "environment.h"
#include "filter.h"
#include "poll.h"
#include "result.h"

namespace linux_sockets {

namespace {

// The results of recvmsg(2) other than the data, in the order in which TypeScript reads them.
struct ReceiveResult {
  uint32_t name_length;
  uint32_t control_length;
  uint32_t flags;
};

Napi::Value SetOption(const Napi::CallbackInfo& info, int fd, size_t first) {
  int32_t level = 0;
  int32_t name = 0;
  OptionValue value;
  if (!ReadInt32(info, first, &level) || !ReadInt32(info, first + 1, &name) || !value.Read(info, first + 2)) {
    return {};
  }
  return Result(info, ::setsockopt(fd, level, name, value.data(), value.length()));
}

Napi::Value GetOption(const Napi::CallbackInfo& info, int fd, size_t first) {
  int32_t level = 0;
  int32_t name = 0;
  Bytes value;
  if (!ReadInt32(info, first, &level) || !ReadInt32(info, first + 1, &name) || !ReadBytes(info, first + 2, &value)) {
    return {};
  }
  return Result(info, ReadOption(fd, level, name, value.data, value.size));
}

Napi::Value SockName(const Napi::CallbackInfo& info, int fd, size_t first) {
  Bytes address;
  if (!ReadBytes(info, first, &address)) return {};
  socklen_t length = address.length();
  const int result = ::getsockname(fd, address.address(), &length);
  return Result(info, result < 0 ? result : static_cast<int64_t>(length));
}

// A plain callback, since most options are ints: a CallbackInfo costs as much as decoding two arguments. Anything but
// four int32 takes the slow path.
napi_value BorrowedSetSockOpt(napi_env env, napi_callback_info raw) {
  napi_value arguments[4];
  size_t count = 4;
  if (napi_get_cb_info(env, raw, &count, arguments, nullptr, nullptr) != napi_ok) return nullptr;
  int32_t numbers[4];
  size_t read = 0;
  for (double value = 0; read < 4; ++read) {
    if (napi_get_value_double(env, arguments[read], &value) != napi_ok || !ToInt32(value, &numbers[read])) break;
  }
  if (read < 4) {
#ifdef __clang_analyzer__  // reports the memory of CallbackInfo as leaked, which its destructor frees
    return nullptr;
#else
    const Napi::CallbackInfo info(env, raw);
    int32_t fd = 0;
    return ReadInt32(info, 0, &fd) ? SetOption(info, fd, 1) : Napi::Value();
#endif
  }
  const int result = ::setsockopt(numbers[0], numbers[1], numbers[2], &numbers[3], sizeof(numbers[3]));
  napi_value out = nullptr;
  (void)napi_create_int32(env, result < 0 ? -errno : result, &out);
  return out;
}

Napi::Value BorrowedGetSockOpt(const Napi::CallbackInfo& info) {
  int32_t fd = 0;
  if (!ReadInt32(info, 0, &fd)) return {};
  return GetOption(info, fd, 1);
}

Napi::Value BorrowedAttachFilter(const Napi::CallbackInfo& info) {
  int32_t fd = 0;
  if (!ReadInt32(info, 0, &fd)) return {};
  return AttachFilterTo(info, fd, 1);
}

Napi::Value BorrowedGetSockName(const Napi::CallbackInfo& info) {
  int32_t fd = 0;
  if (!ReadInt32(info, 0, &fd)) return {};
  return SockName(info, fd, 1);
}

}  // namespace

bool Handle::Define(Napi::Env env, Napi::Object exports) {
  Napi::Function constructor = DefineClass(env, "Handle",
                                           {
                                               InstanceMethod<&Handle::Identify>("identify", napi_configurable),
                                               InstanceMethod<&Handle::Make>("make"),
                                               InstanceMethod<&Handle::Socket>("socket"),
                                               InstanceMethod<&Handle::Adopt>("adopt"),
                                               InstanceMethod<&Handle::Duplicate>("duplicate"),
                                               InstanceMethod<&Handle::Dup3>("dup3"),
                                               InstanceMethod<&Handle::Fd>("fd"),
                                               InstanceMethod<&Handle::Detach>("detach"),
                                               InstanceMethod<&Handle::Close>("close"),
                                               InstanceMethod<&Handle::Bind>("bind"),
                                               InstanceMethod<&Handle::Connect>("connect"),
                                               InstanceMethod<&Handle::Listen>("listen"),
                                               InstanceMethod<&Handle::Accept>("accept"),
                                               InstanceMethod<&Handle::Shutdown>("shutdown"),
                                               InstanceMethod<&Handle::GetSockName>("getsockname"),
                                               InstanceMethod<&Handle::GetPeerName>("getpeername"),
                                               InstanceMethod<&Handle::SetSockOpt>("setsockopt"),
                                               InstanceMethod<&Handle::GetSockOpt>("getsockopt"),
                                               InstanceMethod<&Handle::AttachFilter>("attachFilter"),
                                               InstanceMethod<&Handle::SendMsg>("sendmsg"),
                                               InstanceMethod<&Handle::RecvMsg>("recvmsg"),
                                               InstanceMethod<&Handle::RecvMmsg>("recvmmsg"),
                                               InstanceMethod<&Handle::SendTo>("sendto"),
                                               InstanceMethod<&Handle::SendMMsg>("sendmmsg"),
                                           });
  napi_value prototype = nullptr;
  napi_value identify = nullptr;
  napi_value name = nullptr;
  // The method is internal, so it is removed from the class.
  return napi_set_named_property(env, exports, "Handle", constructor) == napi_ok &&
         napi_get_named_property(env, constructor, "prototype", &prototype) == napi_ok &&
         napi_create_string_utf8(env, "identify", NAPI_AUTO_LENGTH, &name) == napi_ok &&
         napi_get_property(env, prototype, name, &identify) == napi_ok &&
         napi_delete_property(env, prototype, name, nullptr) == napi_ok &&
         Environment::Of(env)->SetIdentify(env, identify);
}

Handle::Handle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Handle>(info) {}

Napi::Value Handle::Identify(const Napi::CallbackInfo& info) {
  Environment::Of(info.Env())->Found(this);
  return info.Env().Undefined();
}

// V8 checks receivers, so the argument becomes the receiver of a method that does nothing else. A type tag would work
// as well, but costs a third of the creation of every Handle, and few are ever passed.
Handle* Handle::FromArgument(const Napi::CallbackInfo& info, size_t index) {
  Handle* handle = Environment::Of(info.Env())->HandleOf(info.Env(), info[index]);
  if (handle == nullptr) Refuse(info, "expected a Handle");
  return handle;
}

void Handle::EndPoll() {
  if (poll_ != nullptr) poll_->End();
}

void Handle::Finalize(Napi::Env env) {
  EndPoll();
  if (!fd_.valid()) return;
  const int fd = fd_.get();
  fd_.Close();
  Environment::Of(env)->ReportLeak(env, fd);
}

Napi::Value Handle::Socket(const Napi::CallbackInfo& info) {  // socket(2)
  int32_t domain = 0;
  int32_t type = 0;
  int32_t protocol = 0;
  if (!ReadInt32(info, 0, &domain) || !ReadInt32(info, 1, &type) || !ReadInt32(info, 2, &protocol)) return {};
  if (fd_.valid()) return Failure(info, EBUSY);
  const int fd = ::socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
  if (fd < 0) return Result(info, fd);
  fd_.Own(fd);
  return Result(info, 0);
}

Napi::Value Handle::Adopt(const Napi::CallbackInfo& info) {  // fcntl(2): takes ownership, and sets the usual flags
  int32_t fd = 0;
  if (!ReadInt32(info, 0, &fd)) return {};
  if (fd_.valid()) return Failure(info, EBUSY);
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) return Result(info, flags);
  if (::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return Result(info, -1);
  if (::fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) return Result(info, -1);
  fd_.Own(fd);
  return Result(info, 0);
}

Napi::Value Handle::Duplicate(const Napi::CallbackInfo& info) {  // fcntl(2), F_DUPFD_CLOEXEC: a duplicate
  int32_t fd = 0;
  if (!ReadInt32(info, 0, &fd)) return {};
  if (fd_.valid()) return Failure(info, EBUSY);
  const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return Result(info, copy);
  fd_.Own(copy);
  return Result(info, 0);
}

Napi::Value Handle::Dup3(const Napi::CallbackInfo& info) {  // dup3(2): `fd`, which the caller owns, becomes this socket
  int32_t fd = 0;
  if (!ReadInt32(info, 0, &fd)) return {};
  return Result(info, Retry([&] { return ::dup3(fd_.get(), fd, O_CLOEXEC); }));
}

Napi::Value Handle::Fd(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), fd_.get()); }

Napi::Value Handle::Detach(const Napi::CallbackInfo& info) {  // gives the descriptor away
  if (!fd_.valid()) return Failure(info, EBADF);
  EndPoll();
  return Result(info, fd_.Release());
}

Napi::Value Handle::Close(const Napi::CallbackInfo& info) {  // close(2); idempotent
  EndPoll();
  return Result(info, fd_.Close());
}

Napi::Value Handle::Bind(const Napi::CallbackInfo& info) {  // bind(2)
  Bytes address;
  if (!ReadBytes(info, 0, &address)) return {};
  return Result(info, ::bind(fd_.get(), address.address(), address.length()));
}

Napi::Value Handle::Connect(const Napi::CallbackInfo& info) {  // connect(2); AF_UNSPEC disconnects
  Bytes address;
  if (!ReadBytes(info, 0, &address)) return {};
  return Result(info, ::connect(fd_.get(), address.address(), address.length()));
}

Napi::Value Handle::Listen(const Napi::CallbackInfo& info) {  // listen(2)
  int32_t backlog = 0;
  if (!ReadInt32(info, 0, &backlog)) return {};
  return Result(info, ::listen(fd_.get(), backlog));
}

Napi::Value Handle::Accept(const Napi::CallbackInfo& info) {  // accept4(2) into an empty Handle; the address's length
  Bytes address;
  if (!ReadBytes(info, 1, &address)) return {};
  Handle* into = FromArgument(info, 0);
  if (into == nullptr) return {};
  if (into->fd_.valid()) return Failure(info, EBUSY);
  socklen_t length = address.length();
  const int fd = Retry([&] {
    length = address.length();
    return ::accept4(fd_.get(), address.address(), &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
  });
  if (fd < 0) return Result(info, fd);
  into->fd_.Own(fd);
  return Result(info, static_cast<int64_t>(length));
}

Napi::Value Handle::Shutdown(const Napi::CallbackInfo& info) {  // shutdown(2)
  int32_t how = 0;
  if (!ReadInt32(info, 0, &how)) return {};
  return Result(info, ::shutdown(fd_.get(), how));
}

Napi::Value Handle::GetSockName(const Napi::CallbackInfo& info) {  // getsockname(2); the address's length
  return SockName(info, fd_.get(), 0);
}

Napi::Value Handle::GetPeerName(const Napi::CallbackInfo& info) {  // getpeername(2); the address's length
  Bytes address;
  if (!ReadBytes(info, 0, &address)) return {};
  socklen_t length = address.length();
  const int result = ::getpeername(fd_.get(), address.address(), &length);
  return Result(info, result < 0 ? result : static_cast<int64_t>(length));
}

Napi::Value Handle::SetSockOpt(const Napi::CallbackInfo& info) {  // setsockopt(2)
  return SetOption(info, fd_.get(), 0);
}

Napi::Value Handle::GetSockOpt(const Napi::CallbackInfo& info) {  // getsockopt(2); the value's length
  return GetOption(info, fd_.get(), 0);
}

Napi::Value Handle::AttachFilter(const Napi::CallbackInfo& info) {  // setsockopt(2) of a struct sock_fprog
  return AttachFilterTo(info, fd_.get(), 0);
}

Napi::Value Handle::SendMsg(const Napi::CallbackInfo& info) {  // sendmsg(2): buffers, address, control, flags
  Vectors vectors;
  Bytes address;
  Bytes control;
  int32_t flags = 0;
  if (!vectors.Read(info, 0) || !ReadBytes(info, 1, &address) || !ReadBytes(info, 2, &control) ||
      !ReadInt32(info, 3, &flags)) {
    return {};
  }
  msghdr message{};
  message.msg_name = address.data;
  message.msg_namelen = address.length();
  message.msg_iov = vectors.data();
  message.msg_iovlen = vectors.count();
  message.msg_control = control.data;
  message.msg_controllen = control.length();
  return Result(info, Retry([&] { return ::sendmsg(fd_.get(), &message, flags | MSG_NOSIGNAL); }));
}

Napi::Value Handle::RecvMsg(const Napi::CallbackInfo& info) {  // recvmsg(2): buffers, address, control, flags, result
  Vectors vectors;
  Bytes address;
  Bytes control;
  Bytes out;
  int32_t flags = 0;
  if (!vectors.Read(info, 0) || !ReadBytes(info, 1, &address) || !ReadBytes(info, 2, &control) ||
      !ReadInt32(info, 3, &flags) || !ReadBytes(info, 4, &out)) {
    return {};
  }
  if (out.size != sizeof(ReceiveResult)) {
    Refuse(info, "expected 12 bytes for the result");
    return {};
  }
  msghdr message{};
  const auto received = Retry([&] {
    message.msg_name = address.data;
    message.msg_namelen = address.length();
    message.msg_iov = vectors.data();
    message.msg_iovlen = vectors.count();
    message.msg_control = control.data;
    message.msg_controllen = control.length();
    return ::recvmsg(fd_.get(), &message, flags);
  });
  if (received < 0) return Result(info, received);
  const ReceiveResult result = {message.msg_namelen, static_cast<uint32_t>(message.msg_controllen),
                                static_cast<uint32_t>(message.msg_flags)};
  __builtin_memcpy(out.data, &result, sizeof(result));
  return Result(info, received);
}

void DefineBorrowed(Napi::Env env, Napi::Object exports) {
  napi_value set_option = nullptr;
  if (napi_create_function(env, "setsockopt", NAPI_AUTO_LENGTH, BorrowedSetSockOpt, nullptr, &set_option) == napi_ok) {
    exports.Set("setsockopt", set_option);
  }
  exports.Set("getsockopt", Napi::Function::New<BorrowedGetSockOpt>(env, "getsockopt"));
  exports.Set("attachFilter", Napi::Function::New<BorrowedAttachFilter>(env, "attachFilter"));
  exports.Set("getsockname", Napi::Function::New<BorrowedGetSockName>(env, "getsockname"));
}

}  // namespace linux_sockets
