// See blame.h.
#include "controlplane/health/blame.h"

#include <ifaddrs.h>
#include <linux/errqueue.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"
#include "controlplane/health/socket_address.h"

namespace guideway {
namespace {

std::optional<IpAddress> AddressIn(const sockaddr* address) {
  if (address == nullptr) return std::nullopt;
  if (address->sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, address, sizeof(v4));
    return IpAddress::FromIpv4(Be32::FromWire(v4.sin_addr.s_addr));
  }
  if (address->sa_family != AF_INET6) return std::nullopt;
  sockaddr_in6 v6{};
  std::memcpy(&v6, address, sizeof(v6));
  return IpAddress::FromIpv6(v6.sin6_addr.s6_addr);
}

using Interfaces = std::unique_ptr<ifaddrs, decltype(&freeifaddrs)>;

// Null: could not be asked for.
Interfaces GetInterfaces() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) list = nullptr;
  return {list, &freeifaddrs};
}

const ifaddrs* InterfaceOf(const ifaddrs* list, const IpAddress& address) {
  for (; list != nullptr; list = list->ifa_next) {
    if (AddressIn(list->ifa_addr) == address) return list;
  }
  return nullptr;
}

bool IsLocal(const IpAddress& address) {
  const Interfaces interfaces = GetInterfaces();
  return InterfaceOf(interfaces.get(), address) != nullptr;
}

SocketStory::Icmp WhoSays(const sock_extended_err& error, const sockaddr* offender) {
  if (error.ee_origin == SO_EE_ORIGIN_LOCAL) return SocketStory::kFirewall;
  const bool v4 = error.ee_origin == SO_EE_ORIGIN_ICMP;
  if (!v4 && error.ee_origin != SO_EE_ORIGIN_ICMP6) return SocketStory::kNone;
  const auto address = AddressIn(offender);
  if (!address.has_value() || !IsLocal(*address)) return SocketStory::kNetwork;
  const bool no_neighbour =
      v4 ? error.ee_type == ICMP_DEST_UNREACH && error.ee_code == ICMP_HOST_UNREACH
         : error.ee_type == ICMPV6_DEST_UNREACH && error.ee_code == ICMPV6_ADDR_UNREACH;
  return no_neighbour ? SocketStory::kNeighbour : SocketStory::kFirewall;
}

SocketStory::Icmp ReadErrorQueue(int socket) {
  std::array<char, 512> control;
  std::array<char, 128> packet;
  iovec data{packet.data(), packet.size()};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  if (recvmsg(socket, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return SocketStory::kNone;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    const bool is_error = (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_RECVERR) ||
                          (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_RECVERR);
    if (!is_error) continue;
    auto* error = reinterpret_cast<sock_extended_err*>(CMSG_DATA(header));
    return WhoSays(*error, SO_EE_OFFENDER(error));
  }
  return SocketStory::kNone;
}

// What a RST, an ICMP error that means one, or silence comes to.
bool IsRefusalOrSilence(int error) {
  switch (error) {
    case ECONNREFUSED:
    case ECONNRESET:
    case ECONNABORTED:
    case ENETRESET:
    case ENOTCONN:
    case EPIPE:
    case ETIMEDOUT:
      return true;
    default:
      return false;
  }
}

// What other ICMP errors come to (the kernel's icmp_err_convert and icmpv6_err_convert).
bool IsIcmpError(int error) {
  switch (error) {
    case EACCES:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENONET:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case EPROTO:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::optional<IpAddress> SourceOf(int socket) {
  SocketAddress address(IpAddress{}, 0);
  *address.size_in_out() = sizeof(sockaddr_in6);
  if (getsockname(socket, address.get(), address.size_in_out()) != 0) return std::nullopt;
  const IpAddress source = address.ip();
  return source.IsUnspecified() ? std::nullopt : std::optional<IpAddress>(source);
}

SocketStory StoryOf(int socket) { return {ReadErrorQueue(socket), SourceOf(socket)}; }

bool IsOwnErrorOfCall(int error) { return !IsRefusalOrSilence(error); }

bool IsOwnErrorOfConnection(int error, const SocketStory& story) {
  if (story.icmp == SocketStory::kFirewall) return true;
  if (IsRefusalOrSilence(error)) return false;
  return !IsIcmpError(error) || story.icmp == SocketStory::kNone;
}

bool IsOwnErrorOfAnswer(int error) { return !IsRefusalOrSilence(error) && !IsIcmpError(error); }

std::string LinkTrouble(const IpAddress& source) {
  const Interfaces interfaces = GetInterfaces();
  if (interfaces == nullptr) return "";
  const ifaddrs* found = InterfaceOf(interfaces.get(), source);
  if (found == nullptr)
    return absl::StrCat(source.ToString(), " is no address of this host any more");
  if ((found->ifa_flags & IFF_UP) == 0) return absl::StrCat(found->ifa_name, " is down");
  if ((found->ifa_flags & IFF_RUNNING) == 0) {
    return absl::StrCat(found->ifa_name, " has no carrier");
  }
  return "";
}

}  // namespace guideway
