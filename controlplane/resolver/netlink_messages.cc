// See netlink_messages.h.
#include "controlplane/resolver/netlink_messages.h"

#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

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
  if (attribute == nullptr || mnl_attr_get_payload_len(attribute) != sizeof(rtvia) + 16) {
    return std::nullopt;
  }
  const auto* via = static_cast<const rtvia*>(mnl_attr_get_payload(attribute));
  if (via->rtvia_family != AF_INET6) return std::nullopt;
  return IpAddress::FromIpv6(via->rtvia_addr);
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

absl::StatusOr<Route> ParseRoute(const nlmsghdr* message) {
  const auto* header = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(message));
  if (header->rtm_type == RTN_LOCAL) {
    return absl::NotFoundError("is an address of this host");
  }
  if (header->rtm_type != RTN_UNICAST) return absl::NotFoundError("no route");
  const auto attributes = Attributes<RTA_VIA + 1>(message, sizeof(rtmsg));
  Route route;
  route.interface_index = Uint32Of(attributes[RTA_OIF]);
  route.gateway = AddressOf(attributes[RTA_GATEWAY]);
  if (!route.gateway.has_value()) route.gateway = ViaOf(attributes[RTA_VIA]);
  route.source = AddressOf(attributes[RTA_PREFSRC]).value_or(IpAddress{});
  if (const nlattr* metrics = attributes[RTA_METRICS]) {
    ForEachNested(metrics, [&](const nlattr* metric) {
      if (mnl_attr_get_type(metric) == RTAX_MTU) route.mtu_bytes = Uint32Of(metric);
    });
  }
  return route;
}

}  // namespace guideway
