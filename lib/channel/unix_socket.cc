#include "lib/channel/unix_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "lib/base/status.h"

namespace guideway::channel {
namespace {

constexpr int kBacklog = 16;
constexpr mode_t kMode = 0660;

absl::StatusOr<sockaddr_un> MakeAddress(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("socket path '", path, "' has ", path.size(),
                                                   " characters, allowed are 1 to ",
                                                   sizeof(address.sun_path) - 1));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

absl::StatusOr<UniqueFd> NewSocket() {
  UniqueFd socket_fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket_fd.valid()) return ErrnoStatus(errno, "make a Unix socket");
  return socket_fd;
}

int ConnectSocket(int socket_fd, const sockaddr_un& address) {
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  return connect(socket_fd, generic, sizeof(address)) == 0 ? 0 : errno;
}

// Removes what stands at `path` if it is the socket of a process that is gone.
absl::Status RemoveStale(const std::string& path, const sockaddr_un& address) {
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) {
    return errno == ENOENT ? absl::OkStatus() : ErrnoStatus(errno, path);
  }
  if (!S_ISSOCK(info.st_mode)) {
    return absl::AlreadyExistsError(absl::StrCat(path, " exists and is not a socket"));
  }
  GW_ASSIGN_OR_RETURN(const UniqueFd probe, NewSocket());
  const int error = ConnectSocket(probe.get(), address);
  if (error == ECONNREFUSED) {
    if (unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
    return ErrnoStatus(errno, absl::StrCat("remove the stale socket ", path));
  }
  if (error == 0) {
    return absl::AlreadyExistsError(
        absl::StrCat(path, ": process ", PeerProcessId(probe.get()), " listens there already"));
  }
  return ErrnoStatus(error, absl::StrCat(path, " is taken"));
}

}  // namespace

absl::StatusOr<UniqueFd> ListenOn(const std::string& path) {
  GW_ASSIGN_OR_RETURN(const sockaddr_un address, MakeAddress(path));
  GW_RETURN_IF_ERROR(RemoveStale(path, address));
  GW_ASSIGN_OR_RETURN(UniqueFd listener, NewSocket());
  // Before bind(), so that the file never has a wider mode; after it, whatever the umask is.
  fchmod(listener.get(), kMode);
  if (bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return ErrnoStatus(errno, absl::StrCat("bind ", path));
  }
  if (chmod(path.c_str(), kMode) != 0 || listen(listener.get(), kBacklog) != 0) {
    const absl::Status status = ErrnoStatus(errno, absl::StrCat("listen on ", path));
    unlink(path.c_str());
    return status;
  }
  return listener;
}

absl::StatusOr<UniqueFd> ConnectTo(const std::string& path) {
  GW_ASSIGN_OR_RETURN(const sockaddr_un address, MakeAddress(path));
  GW_ASSIGN_OR_RETURN(UniqueFd socket_fd, NewSocket());
  const int error = ConnectSocket(socket_fd.get(), address);
  if (error == 0) return socket_fd;
  if (error == EAGAIN) {
    return absl::DeadlineExceededError(
        absl::StrCat("connect to ", path, ": what listens there accepts nobody"));
  }
  return absl::UnavailableError(absl::StrCat("connect to ", path, ": ", std::strerror(error)));
}

uint32_t PeerProcessId(int socket) {
  ucred credentials = {};
  socklen_t length = sizeof(credentials);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return 0;
  return static_cast<uint32_t>(credentials.pid);
}

}  // namespace guideway::channel
