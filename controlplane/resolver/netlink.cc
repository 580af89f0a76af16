// The sockets, and the questions.
#include "controlplane/resolver/netlink.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controlplane/resolver/netlink_messages.h"
#include "lib/base/status.h"

namespace guideway {
namespace {

constexpr size_t kBufferBytes =
    size_t{32} * 1024;  // a dump's messages reach 32 KiB on current kernels
constexpr int kEventSocketBytes = 4 << 20;
constexpr int kDumpTries = 5;

void PutAddress(nlmsghdr* message, uint16_t type, const IpAddress& address) {
  const size_t skip = address.IsIpv4() ? 12 : 0;
  mnl_attr_put(message, type, 16 - skip, &address.bytes[skip]);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Netlink>> Netlink::Open(Listener* listener) {
  std::unique_ptr<Netlink> netlink(new Netlink(listener));
  netlink->events_.reset(mnl_socket_open2(NETLINK_ROUTE, SOCK_NONBLOCK | SOCK_CLOEXEC));
  netlink->questions_.reset(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC));
  if (!netlink->events_ || !netlink->questions_) return ErrnoStatus(errno, "open rtnetlink");
  // FORCE needs CAP_NET_ADMIN; without it the smaller default only means more resynchronising.
  setsockopt(netlink->event_fd(), SOL_SOCKET, SO_RCVBUFFORCE, &kEventSocketBytes,
             sizeof(kEventSocketBytes));
  // An answer that does not come is a kernel bug; better an error than a hung control plane.
  const timeval patience{.tv_sec = 1, .tv_usec = 0};
  setsockopt(mnl_socket_get_fd(netlink->questions_.get()), SOL_SOCKET, SO_RCVTIMEO, &patience,
             sizeof(patience));
  if (mnl_socket_bind(netlink->events_.get(), 0, MNL_SOCKET_AUTOPID) != 0 ||
      mnl_socket_bind(netlink->questions_.get(), 0, MNL_SOCKET_AUTOPID) != 0) {
    return ErrnoStatus(errno, "bind rtnetlink");
  }
  for (int group :
       {RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_IFADDR,
        RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, RTNLGRP_NEXTHOP}) {
    if (mnl_socket_setsockopt(netlink->events_.get(), NETLINK_ADD_MEMBERSHIP, &group,
                              sizeof(group)) != 0) {
      return ErrnoStatus(errno, absl::StrCat("join rtnetlink group ", group));
    }
  }
  return netlink;
}

void Netlink::HandleEvent(const nlmsghdr* message) {
  switch (message->nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK: {
      if (mnl_nlmsg_get_payload_len(message) < sizeof(ifinfomsg)) return;
      // A bridge reports its ports under its own family: not news about the link.
      const auto* header = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
      if (header->ifi_family != AF_UNSPEC) return;
      listener_->OnLink(ParseLink(message), message->nlmsg_type == RTM_DELLINK);
      return;
    }
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH: {
      if (mnl_nlmsg_get_payload_len(message) < sizeof(ndmsg)) return;
      if (const auto neighbour = ParseNeighbour(message)) {
        listener_->OnNeighbour(*neighbour, message->nlmsg_type == RTM_DELNEIGH);
      }
      return;
    }
    case RTM_NEWROUTE:
    case RTM_DELROUTE: {
      const auto prefix = ParseRoutePrefix(message);
      listener_->OnRoutesChanged(prefix.has_value() ? &*prefix : nullptr);
      return;
    }
    case RTM_NEWADDR:
    case RTM_DELADDR:
    case RTM_NEWRULE:
    case RTM_DELRULE:
    case RTM_NEWNEXTHOP:
    case RTM_DELNEXTHOP:
      listener_->OnRoutesChanged(nullptr);
      return;
    default:
      return;
  }
}

absl::Status Netlink::ReadEvents(const std::function<bool()>& time_is_up) {
  std::vector<char> buffer(kBufferBytes);
  while (!time_is_up()) {
    const ssize_t got = mnl_socket_recvfrom(events_.get(), buffer.data(), buffer.size());
    if (got < 0) {
      if (errno == EAGAIN) return absl::OkStatus();
      if (errno == EINTR) continue;
      if (errno == ENOBUFS || errno == ENOSPC) {
        return absl::DataLossError("the kernel dropped notifications");
      }
      return ErrnoStatus(errno, "read rtnetlink notifications");
    }
    int left = static_cast<int>(got);
    for (auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
         mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
      HandleEvent(message);
    }
  }
  return absl::OkStatus();
}

absl::Status Netlink::Ask(nlmsghdr* request, const std::string& what,
                          const std::function<void(const nlmsghdr*)>& take) {
  request->nlmsg_seq = ++sequence_;
  answer_errno_ = 0;
  if (mnl_socket_sendto(questions_.get(), request, request->nlmsg_len) < 0) {
    return ErrnoStatus(errno, what);
  }
  // A dump, or an acknowledged request, ends with a message of its own; a lookup is one message.
  const bool has_end = (request->nlmsg_flags & (NLM_F_DUMP | NLM_F_ACK)) != 0;
  std::vector<char> buffer(kBufferBytes);
  for (;;) {
    const ssize_t got = mnl_socket_recvfrom(questions_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, what);
    int left = static_cast<int>(got);
    for (auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
         mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
      if (message->nlmsg_seq != sequence_) continue;  // left over from a question that failed
      if (message->nlmsg_type == NLMSG_DONE) return absl::OkStatus();
      if (message->nlmsg_type == NLMSG_ERROR) {
        const auto* error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message));
        answer_errno_ = -error->error;
        return error->error == 0 ? absl::OkStatus() : ErrnoStatus(-error->error, what);
      }
      take(message);
      if (!has_end) return absl::OkStatus();
    }
  }
}

absl::Status Netlink::Dump(uint16_t type, uint8_t family) {
  for (int tries = 0; tries < kDumpTries; ++tries) {
    char buffer[256];
    nlmsghdr* request = mnl_nlmsg_put_header(buffer);
    request->nlmsg_type = type;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    // Long enough for ifinfomsg and ndmsg, whose first byte is the family.
    auto* header = static_cast<uint8_t*>(mnl_nlmsg_put_extra_header(
        request, type == RTM_GETLINK ? sizeof(ifinfomsg) : sizeof(ndmsg)));
    header[0] = family;
    bool interrupted = false;
    GW_RETURN_IF_ERROR(Ask(request, type == RTM_GETLINK ? "list links" : "list neighbours",
                           [&](const nlmsghdr* message) {
                             interrupted |= (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
                             HandleEvent(message);
                           }));
    if (!interrupted) return absl::OkStatus();
  }
  return absl::UnavailableError("the kernel's lists change faster than they can be read");
}

absl::Status Netlink::DumpAll() {
  GW_RETURN_IF_ERROR(Dump(RTM_GETLINK, AF_UNSPEC));
  GW_RETURN_IF_ERROR(Dump(RTM_GETNEIGH, AF_INET));
  return Dump(RTM_GETNEIGH, AF_INET6);
}

absl::Status Netlink::AskRoute(const IpAddress& destination, uint32_t flags,
                               const std::function<void(const nlmsghdr*)>& take) {
  char buffer[256];
  nlmsghdr* request = mnl_nlmsg_put_header(buffer);
  request->nlmsg_type = RTM_GETROUTE;
  request->nlmsg_flags = NLM_F_REQUEST;
  auto* header = static_cast<rtmsg*>(mnl_nlmsg_put_extra_header(request, sizeof(rtmsg)));
  header->rtm_family = destination.IsIpv4() ? AF_INET : AF_INET6;
  header->rtm_dst_len = destination.IsIpv4() ? 32 : 128;
  header->rtm_flags = flags;
  PutAddress(request, RTA_DST, destination);
  return Ask(request, "route lookup", take);
}

absl::StatusOr<Route> Netlink::LookUp(const IpAddress& destination) {
  absl::StatusOr<Route> route = absl::UnavailableError("the kernel's answer is no route");
  const absl::Status asked = AskRoute(destination, 0, [&](const nlmsghdr* message) {
    if (message->nlmsg_type == RTM_NEWROUTE) route = ParseRoute(message);
  });
  if (asked.ok()) return route;
  return LookupError(answer_errno_, asked);
}

std::vector<Route> Netlink::LookUpAll(const IpAddress& destination) {
  std::vector<Route> routes;
  const absl::Status asked = AskRoute(destination, RTM_F_FIB_MATCH, [&](const nlmsghdr* message) {
    if (message->nlmsg_type == RTM_NEWROUTE) routes = ParseNextHops(message);
  });
  if (!asked.ok()) routes.clear();
  return routes;
}

absl::Status Netlink::ChangeNeighbour(uint32_t interface_index, const IpAddress& address,
                                      uint16_t flags, uint16_t state, uint8_t neighbour_flags) {
  char buffer[256];
  nlmsghdr* request = mnl_nlmsg_put_header(buffer);
  request->nlmsg_type = RTM_NEWNEIGH;
  request->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
  auto* header = static_cast<ndmsg*>(mnl_nlmsg_put_extra_header(request, sizeof(ndmsg)));
  header->ndm_family = address.IsIpv4() ? AF_INET : AF_INET6;
  header->ndm_ifindex = static_cast<int>(interface_index);
  header->ndm_state = state;
  header->ndm_flags = neighbour_flags;
  PutAddress(request, NDA_DST, address);
  return Ask(request, "solicit neighbour", [](const nlmsghdr*) {});
}

absl::Status Netlink::Solicit(uint32_t interface_index, const IpAddress& address) {
  return ChangeNeighbour(interface_index, address, NLM_F_CREATE | NLM_F_REPLACE, NUD_NONE, NTF_USE);
}

absl::Status Netlink::Confirm(uint32_t interface_index, const IpAddress& address) {
  return ChangeNeighbour(interface_index, address, NLM_F_REPLACE, NUD_PROBE, 0);
}

}  // namespace guideway
