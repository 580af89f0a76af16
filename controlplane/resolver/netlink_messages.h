// rtnetlink messages to plain structures. Addresses of the kernel's that are too short or too long
// count as absent. Thread safety: pure functions.
#ifndef GUIDEWAY_CONTROLPLANE_RESOLVER_NETLINK_MESSAGES_H_
#define GUIDEWAY_CONTROLPLANE_RESOLVER_NETLINK_MESSAGES_H_

#include <linux/netlink.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/net/address.h"
#include "lib/net/prefix.h"

namespace guideway {

struct Link {
  uint32_t index = 0;
  std::string name;
  std::string first_name;  // under which it was seen first; filled in by the resolver
  MacAddress mac;
  uint32_t mtu_bytes = 0;
  bool up = false;        // administratively up and with carrier
  bool ethernet = false;  // has MAC addresses and neighbours
  // A VLAN interface: the identifier, and whether its tag is 802.1Q's; 0: it is none.
  uint16_t vlan = 0;
  bool vlan_is_8021q = true;
  uint32_t lower_index = 0;  // the interface below it; 0: none, or in another namespace
};

struct Neighbour {
  uint32_t interface_index = 0;
  IpAddress address;
  MacAddress mac;      // zero if the kernel knows none
  uint16_t state = 0;  // NUD_* of linux/neighbour.h
};

struct Route {
  uint32_t interface_index = 0;
  std::optional<IpAddress> gateway;  // none: the destination is on the interface's segment
  IpAddress source;                  // preferred source address; unspecified if the kernel has none
  uint32_t mtu_bytes = 0;            // of the path; 0: the interface's
};

// `message` is RTM_NEWLINK or RTM_DELLINK, at least as long as its fixed header.
Link ParseLink(const nlmsghdr* message);
// RTM_NEWNEIGH or RTM_DELNEIGH, likewise. None if it is not about an IP address.
std::optional<Neighbour> ParseNeighbour(const nlmsghdr* message);
// RTM_NEWROUTE, likewise. NotFound, with the reason in words, if it leads nowhere.
absl::StatusOr<Route> ParseRoute(const nlmsghdr* message);
// The next hops of RTM_NEWROUTE, likewise: one, or those of a multipath route; not those that the
// kernel has left (dead, or their link is down). Without weights: who follows another gateway than
// the kernel's choice takes any.
std::vector<Route> ParseNextHops(const nlmsghdr* message);

// What an errno that answers a lookup says: NotFound, in words, if there is no way; else `asked`,
// since all others are this host's trouble with asking.
absl::Status LookupError(int answer, const absl::Status& asked);

// The destination of a route that was added or removed; nullopt if it makes no sense.
std::optional<IpPrefix> ParseRoutePrefix(const nlmsghdr* message);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_RESOLVER_NETLINK_MESSAGES_H_
