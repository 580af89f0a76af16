// See socket_path.h.
#include "controlplane/server/socket_path.h"

#include <glog/logging.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "controlplane/state_file.h"
#include "lib/base/status.h"
#include "lib/base/unique_fd.h"

namespace guideway {
namespace {

// How long a process that listens may take to show that it serves the API: a server speaks first.
constexpr int kPatienceMs = 2000;

struct Occupant {
  enum { kNobody, kHangs, kServes, kUnknown } state = kNobody;
  int process_id = 0;  // 0: not known
  int error = 0;       // kUnknown
};

// 0 or an errno; tries again while the backlog is full.
int ConnectPatiently(int probe, const sockaddr_un& address) {
  constexpr int kPauseMs = 50;
  for (int waited_ms = 0;; waited_ms += kPauseMs) {
    if (connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return 0;
    if (errno != EAGAIN || waited_ms >= kPatienceMs) return errno;
    poll(nullptr, 0, kPauseMs);
  }
}

Occupant Ask(const sockaddr_un& address) {
  const UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe.valid()) return {Occupant::kUnknown, 0, errno};
  const int error = ConnectPatiently(probe.get(), address);
  if (error == ECONNREFUSED || error == ENOENT) return {Occupant::kNobody};
  if (error == EAGAIN) return {Occupant::kHangs};  // nobody accepts
  if (error != 0) return {Occupant::kUnknown, 0, error};
  ucred peer = {};
  socklen_t size = sizeof(peer);
  getsockopt(probe.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size);
  pollfd waiting = {probe.get(), POLLIN, 0};
  return {poll(&waiting, 1, kPatienceMs) == 0 ? Occupant::kHangs : Occupant::kServes, peer.pid};
}

bool MakeAddress(const std::string& path, sockaddr_un* address) {
  *address = {};
  address->sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address->sun_path)) return false;
  memcpy(address->sun_path, path.c_str(), path.size());
  return true;
}

}  // namespace

absl::Status ClearSocketPath(const std::string& path) {
  const std::string place = "socket " + path;
  sockaddr_un address;
  if (!MakeAddress(path, &address)) {
    return absl::InvalidArgumentError(absl::StrCat(place, ": the path must have from 1 to ",
                                                   sizeof(address.sun_path) - 1, " bytes"));
  }
  if (const size_t slash = path.rfind('/'); slash != std::string::npos && slash > 0) {
    GW_RETURN_IF_ERROR(Annotate(MakeDirectories(path.substr(0, slash)), place));
  }
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) {
    return errno == ENOENT ? absl::OkStatus() : ErrnoStatus(errno, place);
  }
  if (!S_ISSOCK(info.st_mode)) {
    return absl::FailedPreconditionError(place + ": something that is not a socket is there");
  }
  const Occupant occupant = Ask(address);
  if (occupant.state == Occupant::kUnknown) return ErrnoStatus(occupant.error, place);
  if (occupant.state == Occupant::kServes) {
    return absl::AlreadyExistsError(
        occupant.process_id > 0
            ? absl::StrCat(place, ": process ", occupant.process_id, " is listening on it")
            : absl::StrCat(place, ": another process is listening on it"));
  }
  LOG_IF(WARNING, occupant.state == Occupant::kHangs)
      << place << ": the process that listens there hangs; its place is taken";
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return ErrnoStatus(errno, place);
  return absl::OkStatus();
}

bool ListenerHangs(const std::string& path) {
  sockaddr_un address;
  return MakeAddress(path, &address) && Ask(address).state == Occupant::kHangs;
}

}  // namespace guideway
