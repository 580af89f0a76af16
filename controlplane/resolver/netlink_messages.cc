// See netlink_messages.h.
#include "controlplane/resolver/netlink_messages.h"

#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "lib/net/headers.h"

namespace guideway {
namespace {

// libmnl's own loop macro does not compile as C++ under our warnings.
template <typename Visitor>
void ForEachAttribute(const nlattr* first, const char* end, Visitor visit) {
  for (const nlattr* attribute = first;
       mnl_attr_ok(attribute, static_cast<int>(end - reinterpret_cast<const char*>(attribute)));
       attribute = mnl_attr_next(attribute)) {
    visit(attribute);
  }
}

// Attributes of a message by type; types above the known ones are ignored.
template <size_t kCount>
std::array<const nlattr*, kCount> Attributes(const nlmsghdr* message, size_t header_bytes) {
  std::array<const nlattr*, kCount> found{};
  ForEachAttribute(static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(message, header_bytes)),
                   static_cast<const char*>(mnl_nlmsg_get_payload_tail(message)),
                   [&](const nlattr* attribute) {
                     const uint16_t type = mnl_attr_get_type(attribute);
                     if (type < kCount) found[type] = attribute;
                   });
  return found;
}

template <typename Visitor>
void ForEachNested(const nlattr* attribute, Visitor visit) {
  const auto* first = static_cast<const char*>(mnl_attr_get_payload(attribute));
  ForEachAttribute(reinterpret_cast<const nlattr*>(first),
                   first + mnl_attr_get_payload_len(attribute), visit);
}

std::string TextOf(const nlattr* attribute) {
  const char* text = mnl_attr_get_str(attribute);
  return {text, strnlen(text, mnl_attr_get_payload_len(attribute))};
}

std::optional<IpAddress> AddressOf(const nlattr* attribute) {
  if (attribute == nullptr) return std::nullopt;
  const auto* bytes = static_cast<const uint8_t*>(mnl_attr_get_payload(attribute));
  if (mnl_attr_get_payload_len(attribute) == 16) return IpAddress::FromIpv6(bytes);
  if (mnl_attr_get_payload_len(attribute) != 4) return std::nullopt;
  Be32 v4;
  std::memcpy(&v4, bytes, sizeof(v4));
  return IpAddress::FromIpv4(v4);
}

// RTA_VIA: the gateway is of another family than the destination.
std::optional<IpAddress> ViaOf(const nlattr* attribute) {
  if (attribute == nullptr || mnl_attr_get_payload_len(attribute) < sizeof(rtvia)) {
    return std::nullopt;
  }
  const auto* via = static_cast<const rtvia*>(mnl_attr_get_payload(attribute));
  const size_t bytes = mnl_attr_get_payload_len(attribute) - sizeof(rtvia);
  if (via->rtvia_family == AF_INET6 && bytes == 16) return IpAddress::FromIpv6(via->rtvia_addr);
  if (via->rtvia_family != AF_INET || bytes != 4) return std::nullopt;
  Be32 v4;
  std::memcpy(&v4, via->rtvia_addr, sizeof(v4));
  return IpAddress::FromIpv4(v4);
}

MacAddress MacOf(const nlattr* attribute) {
  MacAddress mac;
  if (attribute != nullptr && mnl_attr_get_payload_len(attribute) == mac.bytes.size()) {
    std::memcpy(mac.bytes.data(), mnl_attr_get_payload(attribute), mac.bytes.size());
  }
  return mac;
}

uint32_t Uint32Of(const nlattr* attribute) {
  if (attribute == nullptr || mnl_attr_get_payload_len(attribute) != sizeof(uint32_t)) return 0;
  return mnl_attr_get_u32(attribute);
}

// IFLA_LINKINFO of a VLAN interface: {kind "vlan", data {identifier, protocol}}.
void ParseVlan(const nlattr* info, Link* link) {
  bool is_vlan = false;
  const nlattr* data = nullptr;
  ForEachNested(info, [&](const nlattr* attribute) {
    const uint16_t type = mnl_attr_get_type(attribute);
    if (type == IFLA_INFO_KIND) is_vlan = TextOf(attribute) == "vlan";
    if (type == IFLA_INFO_DATA) data = attribute;
  });
  if (!is_vlan || data == nullptr) return;
  ForEachNested(data, [&](const nlattr* attribute) {
    const uint16_t type = mnl_attr_get_type(attribute);
    if (mnl_attr_get_payload_len(attribute) != sizeof(uint16_t)) return;
    if (type == IFLA_VLAN_ID) link->vlan = mnl_attr_get_u16(attribute);
    if (type == IFLA_VLAN_PROTOCOL) {
      link->vlan_is_8021q = Be16::FromWire(mnl_attr_get_u16(attribute)) == ether_type::kVlan;
    }
  });
}

}  // namespace

Link ParseLink(const nlmsghdr* message) {
  const auto* header = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
  const auto attributes = Attributes<IFLA_LINK_NETNSID + 1>(message, sizeof(ifinfomsg));
  Link link;
  link.index = static_cast<uint32_t>(header->ifi_index);
  if (const nlattr* name = attributes[IFLA_IFNAME]) link.name = TextOf(name);
  link.mac = MacOf(attributes[IFLA_ADDRESS]);
  link.mtu_bytes = Uint32Of(attributes[IFLA_MTU]);
  // With this attribute the index is one of another namespace.
  if (attributes[IFLA_LINK_NETNSID] == nullptr) link.lower_index = Uint32Of(attributes[IFLA_LINK]);
  if (attributes[IFLA_LINKINFO] != nullptr) ParseVlan(attributes[IFLA_LINKINFO], &link);
  // LOWER_UP is the carrier itself; RUNNING follows it by up to a second.
  link.up = (header->ifi_flags & IFF_UP) != 0 && (header->ifi_flags & IFF_LOWER_UP) != 0;
  link.ethernet = header->ifi_type == ARPHRD_ETHER && (header->ifi_flags & IFF_NOARP) == 0;
  return link;
}

std::optional<Neighbour> ParseNeighbour(const nlmsghdr* message) {
  const auto* header = static_cast<const ndmsg*>(mnl_nlmsg_get_payload(message));
  if (header->ndm_family != AF_INET && header->ndm_family != AF_INET6) return std::nullopt;
  const auto attributes = Attributes<NDA_LLADDR + 1>(message, sizeof(ndmsg));
  const auto address = AddressOf(attributes[NDA_DST]);
  if (!address.has_value()) return std::nullopt;
  return Neighbour{static_cast<uint32_t>(header->ndm_ifindex), *address,
                   MacOf(attributes[NDA_LLADDR]), header->ndm_state};
}

namespace {

constexpr uint32_t kLeft = RTNH_F_DEAD | RTNH_F_LINKDOWN;

// Why a route of this type leads nowhere; empty: it leads somewhere.
std::string WhyNowhere(uint8_t type) {
  switch (type) {
    case RTN_UNICAST:
      return "";
    case RTN_LOCAL:
    case RTN_ANYCAST:
      return "is an address of this host";
    case RTN_BROADCAST:
      return "is a broadcast address";
    case RTN_MULTICAST:
      return "is a multicast address";
    case RTN_BLACKHOLE:
      return "its route is of type blackhole";
    case RTN_UNREACHABLE:
      return "its route is of type unreachable";
    case RTN_PROHIBIT:
      return "its route is of type prohibit";
    default:
      return "no route";
  }
}

// Of attributes that a route and each next hop of a multipath route have.
template <size_t kCount>
void TakeNextHop(const std::array<const nlattr*, kCount>& attributes, Route* route) {
  route->gateway = AddressOf(attributes[RTA_GATEWAY]);
  if (!route->gateway.has_value()) route->gateway = ViaOf(attributes[RTA_VIA]);
}

}  // namespace

absl::StatusOr<Route> ParseRoute(const nlmsghdr* message) {
  const auto* header = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(message));
  const std::string nowhere = WhyNowhere(header->rtm_type);
  if (!nowhere.empty()) return absl::NotFoundError(nowhere);
  if ((header->rtm_flags & kLeft) != 0) return absl::NotFoundError("its route is dead");
  const auto attributes = Attributes<RTA_ENCAP + 1>(message, sizeof(rtmsg));
  if (attributes[RTA_ENCAP_TYPE] != nullptr) {
    return absl::NotFoundError("its route has an encapsulation of its own: not supported");
  }
  Route route;
  route.interface_index = Uint32Of(attributes[RTA_OIF]);
  TakeNextHop(attributes, &route);
  route.source = AddressOf(attributes[RTA_PREFSRC]).value_or(IpAddress{});
  if (const nlattr* metrics = attributes[RTA_METRICS]) {
    ForEachNested(metrics, [&](const nlattr* metric) {
      if (mnl_attr_get_type(metric) == RTAX_MTU) route.mtu_bytes = Uint32Of(metric);
    });
  }
  return route;
}

std::vector<Route> ParseNextHops(const nlmsghdr* message) {
  const auto* header = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(message));
  std::vector<Route> routes;
  const auto attributes = Attributes<RTA_ENCAP + 1>(message, sizeof(rtmsg));
  const nlattr* multipath = attributes[RTA_MULTIPATH];
  if (multipath == nullptr) {
    const auto route = ParseRoute(message);
    if (route.ok()) routes.push_back(*route);
    return routes;
  }
  if (!WhyNowhere(header->rtm_type).empty()) return routes;
  const auto* at = static_cast<const char*>(mnl_attr_get_payload(multipath));
  const char* const end = at + mnl_attr_get_payload_len(multipath);
  while (end - at >= static_cast<ptrdiff_t>(sizeof(rtnexthop))) {
    const auto* hop = reinterpret_cast<const rtnexthop*>(at);
    if (hop->rtnh_len < sizeof(rtnexthop) || hop->rtnh_len > end - at) break;
    std::array<const nlattr*, RTA_ENCAP + 1> found{};
    ForEachAttribute(reinterpret_cast<const nlattr*>(at + RTNH_ALIGN(sizeof(rtnexthop))),
                     at + hop->rtnh_len, [&](const nlattr* attribute) {
                       const uint16_t type = mnl_attr_get_type(attribute);
                       if (type < found.size()) found[type] = attribute;
                     });
    Route route;
    route.interface_index = static_cast<uint32_t>(hop->rtnh_ifindex);
    TakeNextHop(found, &route);
    if ((hop->rtnh_flags & kLeft) == 0 && found[RTA_ENCAP_TYPE] == nullptr) routes.push_back(route);
    at += RTNH_ALIGN(hop->rtnh_len);
  }
  return routes;
}

std::optional<IpPrefix> ParseRoutePrefix(const nlmsghdr* message) {
  if (mnl_nlmsg_get_payload_len(message) < sizeof(rtmsg)) return std::nullopt;
  const auto* header = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(message));
  const bool ipv4 = header->rtm_family == AF_INET;
  if (!ipv4 && header->rtm_family != AF_INET6) return std::nullopt;
  if (header->rtm_dst_len > (ipv4 ? 32 : 128)) return std::nullopt;
  IpPrefix prefix;
  prefix.length_bits = header->rtm_dst_len;
  const auto attributes = Attributes<RTA_DST + 1>(message, sizeof(rtmsg));
  if (const auto address = AddressOf(attributes[RTA_DST])) {
    if (address->IsIpv4() != ipv4) return std::nullopt;
    prefix.address = *address;
  } else if (header->rtm_dst_len == 0) {  // a default route
    prefix.address = ipv4 ? *IpAddress::Parse("0.0.0.0") : IpAddress{};
  } else {
    return std::nullopt;
  }
  return prefix;
}

absl::Status LookupError(int answer, const absl::Status& asked) {
  switch (answer) {
    case ENETUNREACH:
      return absl::NotFoundError("no route");
    // For IPv4 the kernel answers with an error where a route says that there is no way.
    case EHOSTUNREACH:
      return absl::NotFoundError("its route is of type unreachable");
    case EINVAL:
      return absl::NotFoundError("its route is of type blackhole");
    case EACCES:
      return absl::NotFoundError("its route is of type prohibit");
    case ENETDOWN:
    case ENODEV:
    case EADDRNOTAVAIL:
    case ESRCH:
    case ENOENT:
    case EXDEV:
    // A kernel without this family, as with ipv6.disable=1, has no routes of it either.
    case EOPNOTSUPP:
    case EAFNOSUPPORT:
    case EPFNOSUPPORT:
      return absl::NotFoundError(absl::StrCat("no route (", asked.message(), ")"));
    default:
      return asked;
  }
}

}  // namespace guideway
