// See tcp_listener.h.
#include "controlplane/server/tcp_listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>

#include "absl/strings/str_cat.h"
#include "lib/base/status.h"
#include "lib/net/big_endian.h"

namespace guideway {
namespace {

constexpr int kBacklog = 128;

absl::StatusOr<UniqueFd> ListenAt(const addrinfo& where) {
  UniqueFd fd(socket(where.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "socket");
  const int on = 1, off = 0;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (where.ai_family == AF_INET6) {
    setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  }
  if (bind(fd.get(), where.ai_addr, where.ai_addrlen) != 0) return ErrnoStatus(errno, "bind");
  if (listen(fd.get(), kBacklog) != 0) return ErrnoStatus(errno, "listen");
  return fd;
}

}  // namespace

absl::StatusOr<TcpListener> ListenOn(const std::string& place) {
  const size_t colon = place.rfind(':');
  const absl::Status malformed =
      absl::InvalidArgumentError(absl::StrCat(place, ": is not ADDRESS:PORT"));
  if (colon == std::string::npos || colon + 1 == place.size()) return malformed;
  std::string host = place.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  // A name would be asked for again and again, and the event loop would wait for the answers.
  hints.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.empty() ? nullptr : host.c_str(),
                                place.substr(colon + 1).c_str(), &hints, &found);
  if (error == EAI_NONAME || error == EAI_SERVICE) return malformed;
  if (error != 0) return absl::InvalidArgumentError(absl::StrCat(place, ": ", gai_strerror(error)));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  absl::Status last = absl::InvalidArgumentError(absl::StrCat(place, ": no address"));
  for (const addrinfo* where = found; where != nullptr; where = where->ai_next) {
    absl::StatusOr<UniqueFd> fd = ListenAt(*where);
    if (!fd.ok()) {
      last = Annotate(fd.status(), place);
      continue;
    }
    TcpListener listener{*std::move(fd), 0};
    sockaddr_in6 local{};  // the port is at the same place in both families
    socklen_t size = sizeof(local);
    if (getsockname(listener.socket.get(), reinterpret_cast<sockaddr*>(&local), &size) != 0) {
      return ErrnoStatus(errno, place);
    }
    listener.port = Be16::FromWire(local.sin6_port).host();
    return listener;
  }
  return last;
}

}  // namespace guideway
