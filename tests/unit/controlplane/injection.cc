// See injection.h. The C library's own functions are found behind these by dlsym().
#include "tests/unit/controlplane/injection.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <poll.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>

namespace guideway {
namespace {

thread_local Injection plan;
thread_local bool armed = false, done = false;

// True if this call is to fail; errno is set.
bool Fails(const char* call) {
  if (!armed || plan.call != call || --plan.nth != 0) return false;
  done = true;
  errno = plan.error;
  return true;
}

template <typename Function>
Function* Real(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

const std::vector<std::string>& InjectableCalls() {
  static const auto* const calls = new std::vector<std::string>{
      "socket",      "bind", "setsockopt", "getsockopt", "connect",     "getsockname",
      "getpeername", "send", "sendto",     "recv",       "recvfrom",    "recvmsg",
      "epoll_ctl",   "poll", "pipe2",      "waitid",     "posix_spawn", "getifaddrs"};
  return *calls;
}

void Inject(const Injection& injection) {
  plan = injection;
  armed = true;
  done = false;
}

bool EndInjection() {
  armed = false;
  return done;
}

}  // namespace guideway

#define GW_REAL(name) static auto* const real = guideway::Real<decltype(name)>(#name)

extern "C" {
int socket(int domain, int type, int protocol) noexcept {
  GW_REAL(socket);
  return guideway::Fails("socket") ? -1 : real(domain, type, protocol);
}
int bind(int fd, const sockaddr* address, socklen_t size) noexcept {
  GW_REAL(bind);
  return guideway::Fails("bind") ? -1 : real(fd, address, size);
}
int setsockopt(int fd, int level, int name, const void* value, socklen_t size) noexcept {
  GW_REAL(setsockopt);
  return guideway::Fails("setsockopt") ? -1 : real(fd, level, name, value, size);
}
int getsockopt(int fd, int level, int name, void* value, socklen_t* size) noexcept {
  GW_REAL(getsockopt);
  return guideway::Fails("getsockopt") ? -1 : real(fd, level, name, value, size);
}
int connect(int fd, const sockaddr* address, socklen_t size) {
  GW_REAL(connect);
  return guideway::Fails("connect") ? -1 : real(fd, address, size);
}
int getsockname(int fd, sockaddr* address, socklen_t* size) noexcept {
  GW_REAL(getsockname);
  return guideway::Fails("getsockname") ? -1 : real(fd, address, size);
}
int getpeername(int fd, sockaddr* address, socklen_t* size) noexcept {
  GW_REAL(getpeername);
  return guideway::Fails("getpeername") ? -1 : real(fd, address, size);
}
ssize_t send(int fd, const void* data, size_t size, int flags) {
  GW_REAL(send);
  return guideway::Fails("send") ? -1 : real(fd, data, size, flags);
}
ssize_t sendto(int fd, const void* data, size_t size, int flags, const sockaddr* to,
               socklen_t to_size) {
  GW_REAL(sendto);
  return guideway::Fails("sendto") ? -1 : real(fd, data, size, flags, to, to_size);
}
ssize_t recv(int fd, void* data, size_t size, int flags) {
  GW_REAL(recv);
  return guideway::Fails("recv") ? -1 : real(fd, data, size, flags);
}
ssize_t recvfrom(int fd, void* data, size_t size, int flags, sockaddr* from, socklen_t* from_size) {
  GW_REAL(recvfrom);
  return guideway::Fails("recvfrom") ? -1 : real(fd, data, size, flags, from, from_size);
}
ssize_t recvmsg(int fd, msghdr* message, int flags) {
  GW_REAL(recvmsg);
  return guideway::Fails("recvmsg") ? -1 : real(fd, message, flags);
}
int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept {
  GW_REAL(epoll_ctl);
  // What is taken out does not matter to anybody.
  if (operation != EPOLL_CTL_DEL && guideway::Fails("epoll_ctl")) return -1;
  return real(epoll, operation, fd, event);
}
int poll(pollfd* waiting, nfds_t count, int timeout_ms) {
  GW_REAL(poll);
  return guideway::Fails("poll") ? -1 : real(waiting, count, timeout_ms);
}
int pipe2(int* ends, int flags) noexcept {
  GW_REAL(pipe2);
  return guideway::Fails("pipe2") ? -1 : real(ends, flags);
}
int waitid(idtype_t type, id_t id, siginfo_t* info, int options) {
  GW_REAL(waitid);
  return guideway::Fails("waitid") ? -1 : real(type, id, info, options);
}
int getifaddrs(ifaddrs** list) noexcept {
  GW_REAL(getifaddrs);
  return guideway::Fails("getifaddrs") ? -1 : real(list);
}
int posix_spawn(pid_t* pid, const char* path, const posix_spawn_file_actions_t* files,
                const posix_spawnattr_t* attributes, char* const arguments[],
                char* const environment[]) {
  GW_REAL(posix_spawn);
  return guideway::Fails("posix_spawn")
             ? errno
             : real(pid, path, files, attributes, arguments, environment);
}
}
