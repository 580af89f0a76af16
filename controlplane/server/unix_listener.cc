// See unix_listener.h.
#include "controlplane/server/unix_listener.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "lib/base/status.h"

namespace guideway {

namespace {

constexpr int kBacklog = 128;

}  // namespace

UnixListener::UnixListener(std::string path) : path_(std::move(path)) {}

absl::StatusOr<std::unique_ptr<UnixListener>> UnixListener::Start(const std::string& path,
                                                                  size_t most_connections,
                                                                  AcceptLoop::Handler handler) {
  const std::string place = "socket " + path;
  UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener.valid()) return ErrnoStatus(errno, place);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  // The umask, and not chmod afterwards: there is no moment at which others may connect.
  const mode_t old_umask = umask(0117);
  const int bound =
      bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const int error = errno;
  umask(old_umask);
  if (bound != 0) return ErrnoStatus(error, place);
  std::unique_ptr<UnixListener> self(new UnixListener(path));
  self->file_ = FileIdentityAt(path);
  if (!self->file_.has_value()) return ErrnoStatus(errno, place);
  if (listen(listener.get(), kBacklog) != 0) return ErrnoStatus(errno, place);
  self->loop_ =
      std::make_unique<AcceptLoop>(std::move(listener), most_connections, std::move(handler));
  GW_RETURN_IF_ERROR(Annotate(self->loop_->Start(), place));
  return self;
}

UnixListener::Place UnixListener::Look() const {
  if (IsGone(path_)) return Place::kNobodys;
  return FileIdentityAt(path_) == file_ ? Place::kOwn : Place::kAnothers;
}

UnixListener::~UnixListener() {
  loop_.reset();
  // Unless another control plane has taken the place meanwhile.
  if (Look() == Place::kOwn) unlink(path_.c_str());
}

}  // namespace guideway
