// See local_end.h.
#include "controlplane/tunnel/local_end.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "controlplane/health/socket_address.h"
#include "lib/base/unique_fd.h"

namespace guideway {
namespace {

absl::Status Failed(const std::string& what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", strerror(errno)));
}

// The address from which the kernel would send to `destination`.
absl::StatusOr<IpAddress> SourceTowards(const IpAddress& destination) {
  const UniqueFd asker(
      socket(destination.IsIpv4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!asker.valid()) return Failed("socket");
  SocketAddress address(destination, /*port=*/9);  // nothing is sent
  if (connect(asker.get(), address.get(), address.size()) != 0) {
    return Failed(absl::StrCat("no address to probe from: ", destination.ToString()));
  }
  if (getsockname(asker.get(), address.get(), address.size_in_out()) != 0) {
    return Failed("getsockname");
  }
  return address.ip();
}

}  // namespace

absl::StatusOr<IpAddress> ProbeSource(const IpAddress& backend, const IpAddress& vip) {
  const auto towards_vip = SourceTowards(vip);
  if (towards_vip.ok() && *towards_vip == vip) {
    return absl::UnavailableError(
        absl::StrCat("the VIP ", vip.ToString(), " is an address of this host; must not be"));
  }
  return backend.family() == vip.family() ? SourceTowards(backend) : towards_vip;
}

absl::StatusOr<uint16_t> BindProbe(int socket, const IpAddress& source, uint32_t mark) {
  const linger reset{.l_onoff = 1, .l_linger = 0};
  if (setsockopt(socket, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) != 0) {
    return Failed("mark the probe's packets");
  }
  if (setsockopt(socket, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) != 0) {
    return Failed("SO_LINGER");
  }
  SocketAddress address(source, /*port=*/0);
  if (bind(socket, address.get(), address.size()) != 0) {
    return Failed(absl::StrCat("bind to ", source.ToString()));
  }
  if (getsockname(socket, address.get(), address.size_in_out()) != 0) return Failed("getsockname");
  return address.port();
}

}  // namespace guideway
