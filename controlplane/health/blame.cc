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
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controlplane/health/socket_address.h"
#include "lib/base/clock.h"

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

struct Interface {
  std::string name;
  uint32_t flags = 0;
};

// This host's addresses as they were a moment ago. All probes of a rack that goes silent ask for
// them at the same time, and to read them takes the longer the more there are.
class LocalAddresses {
 public:
  // 0, or the errno for which they cannot be read.
  int Refresh() {
    if (read_at_.has_value() && MonotonicNow() - *read_at_ < kGoodFor) return 0;
    ifaddrs* list = nullptr;
    if (getifaddrs(&list) != 0) {
      const int error = errno;
      read_at_.reset();
      return error;
    }
    const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, &freeifaddrs);
    interfaces_.clear();
    for (; list != nullptr; list = list->ifa_next) {
      const auto address = AddressIn(list->ifa_addr);
      if (address.has_value()) interfaces_.insert({*address, {list->ifa_name, list->ifa_flags}});
    }
    read_at_ = MonotonicNow();
    return 0;
  }
  // Null: it is no address of this host.
  const Interface* Find(const IpAddress& address) const {
    const auto found = interfaces_.find(address);
    return found == interfaces_.end() ? nullptr : &found->second;
  }
  // Of the thread that calls.
  static LocalAddresses& OfThread() {
    thread_local LocalAddresses addresses;
    return addresses;
  }

 private:
  static constexpr absl::Duration kGoodFor = absl::Milliseconds(200);

  std::optional<absl::Duration> read_at_;  // MonotonicNow()
  std::map<IpAddress, Interface> interfaces_;
};

SocketStory::Icmp WhoSays(const sock_extended_err& error, const sockaddr* offender) {
  if (error.ee_origin == SO_EE_ORIGIN_LOCAL) return SocketStory::kFirewall;
  const bool v4 = error.ee_origin == SO_EE_ORIGIN_ICMP;
  if (!v4 && error.ee_origin != SO_EE_ORIGIN_ICMP6) return SocketStory::kNone;
  const auto address = AddressIn(offender);
  if (!address.has_value()) return SocketStory::kNetwork;
  LocalAddresses& local = LocalAddresses::OfThread();
  if (local.Refresh() != 0) return SocketStory::kUnknown;
  if (local.Find(*address) == nullptr) return SocketStory::kNetwork;
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
  if (story.icmp == SocketStory::kFirewall || story.icmp == SocketStory::kUnknown) return true;
  if (IsRefusalOrSilence(error)) return false;
  return !IsIcmpError(error) || story.icmp == SocketStory::kNone;
}

bool IsOwnErrorOfAnswer(int error) { return !IsRefusalOrSilence(error) && !IsIcmpError(error); }

std::string LinkTrouble(const IpAddress& source) {
  LocalAddresses& local = LocalAddresses::OfThread();
  const int error = local.Refresh();
  if (error != 0) {
    return absl::StrCat("this host's addresses cannot be read: ", std::strerror(error));
  }
  const Interface* found = local.Find(source);
  if (found == nullptr)
    return absl::StrCat(source.ToString(), " is no address of this host any more");
  if ((found->flags & IFF_UP) == 0) return absl::StrCat(found->name, " is down");
  if ((found->flags & IFF_RUNNING) == 0) return absl::StrCat(found->name, " has no carrier");
  return "";
}

}  // namespace guideway
