// VLAN interfaces: from the kernel's message to the next hop's port and tag. The messages are made
// here, because not every kernel that the tests run on can have VLAN interfaces.
#include "controlplane/resolver/vlan.h"

#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <catch2/catch.hpp>
#include <vector>

namespace guideway {
namespace {

struct Spec {
  uint32_t index = 7;
  const char* name = "eth0.5";
  uint32_t lower = 3;
  const char* kind = "vlan";
  uint16_t vlan = 5;
  uint16_t protocol = ETH_P_8021Q;
  bool lower_elsewhere = false;
};

Link LinkOf(const Spec& spec) {
  std::vector<char> buffer(4096);
  nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
  message->nlmsg_type = RTM_NEWLINK;
  auto* header = static_cast<ifinfomsg*>(mnl_nlmsg_put_extra_header(message, sizeof(ifinfomsg)));
  header->ifi_index = static_cast<int>(spec.index);
  header->ifi_type = ARPHRD_ETHER;
  header->ifi_flags = IFF_UP | IFF_LOWER_UP;
  mnl_attr_put_strz(message, IFLA_IFNAME, spec.name);
  mnl_attr_put_u32(message, IFLA_MTU, 1496);
  if (spec.lower != 0) mnl_attr_put_u32(message, IFLA_LINK, spec.lower);
  if (spec.lower_elsewhere) mnl_attr_put_u32(message, IFLA_LINK_NETNSID, 0);
  if (spec.kind != nullptr) {
    nlattr* info = mnl_attr_nest_start(message, IFLA_LINKINFO);
    mnl_attr_put_strz(message, IFLA_INFO_KIND, spec.kind);
    nlattr* data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
    mnl_attr_put_u16(message, IFLA_VLAN_ID, spec.vlan);
    mnl_attr_put_u16(message, IFLA_VLAN_PROTOCOL, Be16(spec.protocol).wire());
    mnl_attr_nest_end(message, data);
    mnl_attr_nest_end(message, info);
  }
  return ParseLink(message);
}

const Spec kTrunk{.index = 3, .name = "eth0", .lower = 0, .kind = nullptr, .vlan = 0};

std::string Leave(const Spec& spec, const Spec& lower, ResolvedNextHop* next_hop) {
  const Link link = LinkOf(spec);
  std::map<uint32_t, Link> links = {{link.index, link}, {lower.index, LinkOf(lower)}};
  next_hop->interface = link.name;
  return LeaveVlan(link, links, next_hop);
}

TEST_CASE("a VLAN interface is its lower interface and a tag") {
  const Link link = LinkOf({});
  CHECK(link.name == "eth0.5");
  CHECK(link.mtu_bytes == 1496);
  CHECK(link.up);
  CHECK(link.lower_index == 3);
  CHECK(link.vlan == 5);
  ResolvedNextHop next_hop;
  CHECK(Leave({}, kTrunk, &next_hop).empty());
  CHECK(next_hop.interface == "eth0");
  CHECK(next_hop.vlan == 5);
}

TEST_CASE("other interfaces are themselves") {
  ResolvedNextHop next_hop;
  CHECK(Leave({.name = "eth0", .kind = nullptr}, kTrunk, &next_hop).empty());
  // The first attribute of other kinds' data may look like an identifier.
  CHECK(Leave({.name = "eth0", .kind = "macvlan"}, kTrunk, &next_hop).empty());
  CHECK(next_hop.interface == "eth0");
  CHECK(next_hop.vlan == 0);
}

TEST_CASE("VLAN interfaces that cannot be used say why") {
  ResolvedNextHop next_hop;
  CHECK(Leave({.protocol = ETH_P_8021AD}, kTrunk, &next_hop) ==
        "eth0.5 is no 802.1Q VLAN: not supported");
  CHECK(Leave({.name = "eth0.5.6", .lower = 8}, {.index = 8}, &next_hop) ==
        "eth0.5.6 is a VLAN within a VLAN: not supported");
  CHECK(Leave({.lower_elsewhere = true}, kTrunk, &next_hop) ==
        "eth0.5 is a VLAN of an interface that is not in this namespace");
  CHECK(next_hop.vlan == 0);
}

}  // namespace
}  // namespace guideway
