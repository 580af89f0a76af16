// See unix_listener.h.
#include "controlplane/server/unix_listener.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "lib/base/status.h"

namespace guideway {

namespace {

constexpr int kBacklog = 128;
// Without a free descriptor a connection waits in the backlog, and this long between tries.
constexpr int kPauseMs = 100;

}  // namespace

UnixListener::UnixListener(std::string path, std::function<void(UniqueFd)> handler)
    : path_(std::move(path)), handler_(std::move(handler)) {}

absl::StatusOr<std::unique_ptr<UnixListener>> UnixListener::Start(
    const std::string& path, std::function<void(UniqueFd)> handler) {
  const std::string place = "socket " + path;
  std::unique_ptr<UnixListener> self(new UnixListener(path, std::move(handler)));
  self->listener_.reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  self->stop_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!self->listener_.valid() || !self->stop_.valid()) return ErrnoStatus(errno, place);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  // The umask, and not chmod afterwards: there is no moment at which others may connect.
  const mode_t old_umask = umask(0117);
  const int bound =
      bind(self->listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const int error = errno;
  umask(old_umask);
  if (bound != 0) return ErrnoStatus(error, place);
  if (lstat(path.c_str(), &self->file_) != 0) return ErrnoStatus(errno, place);
  if (listen(self->listener_.get(), kBacklog) != 0) return ErrnoStatus(errno, place);
  self->thread_ = std::thread([raw = self.get()] { raw->Run(); });
  return self;
}

UnixListener::~UnixListener() {
  if (!thread_.joinable()) return;
  const uint64_t one = 1;
  if (write(stop_.get(), &one, sizeof(one)) == sizeof(one)) thread_.join();
  // Unless another control plane has taken the place meanwhile.
  struct stat now = {};
  if (lstat(path_.c_str(), &now) != 0 || now.st_dev != file_.st_dev || now.st_ino != file_.st_ino) {
    return;
  }
  unlink(path_.c_str());
}

void UnixListener::Run() {
  for (;;) {
    pollfd waiting[] = {{stop_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    if (poll(waiting, 2, -1) < 0) continue;  // a signal
    if (waiting[0].revents != 0) return;
    UniqueFd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (connection.valid()) {
      handler_(std::move(connection));
    } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
      poll(waiting, 1, kPauseMs);
    }
  }
}

}  // namespace guideway
