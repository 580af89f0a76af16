// See peer.h.
#include "controlplane/server/peer.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "lib/base/status.h"

namespace guideway {

namespace {

// Below are the process's other descriptors, above as many connections as any host needs.
constexpr int kLowestNumber = 512;
constexpr int kMostNumbers = 4096;

}  // namespace

PeerIdentity IdentityOf(int connection) {
  PeerIdentity identity;
  ucred credentials = {};
  socklen_t size = sizeof(credentials);
  if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0 ||
      credentials.uid == static_cast<uid_t>(-1)) {
    return identity;  // not a connected Unix socket
  }
  identity.kind = PeerIdentity::kUnixProcess;
  identity.uid = credentials.uid;
  identity.gid = credentials.gid;
  identity.pid = credentials.pid;
  socklen_t bytes = 0;
  getsockopt(connection, SOL_SOCKET, SO_PEERGROUPS, nullptr, &bytes);  // ERANGE tells the size
  std::vector<gid_t> groups(bytes / sizeof(gid_t));
  if (!groups.empty() &&
      getsockopt(connection, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &bytes) == 0) {
    identity.groups.assign(groups.begin(), groups.end());
  }
  return identity;
}

UnixPeers::UnixPeers() {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  const int end = static_cast<int>(std::min<rlim_t>(limit.rlim_cur, kLowestNumber + kMostNumbers));
  lowest_ = std::min(kLowestNumber, end / 2);
  highest_ = std::max(lowest_, end - 1);
  next_ = lowest_;
}

absl::StatusOr<UniqueFd> UnixPeers::Register(UniqueFd connection) {
  if (next_ > highest_) next_ = lowest_;
  int number = fcntl(connection.get(), F_DUPFD_CLOEXEC, next_);
  if (number < 0 || number > highest_) {  // from here on all are taken: from the beginning
    if (number >= 0) close(number);
    number = fcntl(connection.get(), F_DUPFD_CLOEXEC, lowest_);
  }
  if (number < 0) return ErrnoStatus(errno, "too many connections");
  next_ = number + 1;
  const std::lock_guard<std::mutex> guard(mutex_);
  by_peer_[absl::StrCat("fd:", number)] = IdentityOf(number);
  return UniqueFd(number);
}

PeerIdentity UnixPeers::Find(const std::string& peer) const {
  const std::lock_guard<std::mutex> guard(mutex_);
  const auto found = by_peer_.find(peer);
  return found == by_peer_.end() ? PeerIdentity{} : found->second;
}

}  // namespace guideway
