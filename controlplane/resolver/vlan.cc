// See vlan.h.
#include "controlplane/resolver/vlan.h"

#include "absl/strings/str_cat.h"

namespace guideway {

std::string LeaveVlan(const Link& link, const std::map<uint32_t, Link>& links,
                      ResolvedNextHop* next_hop) {
  if (link.vlan == 0) return "";
  if (!link.vlan_is_8021q) return absl::StrCat(link.name, " is no 802.1Q VLAN: not supported");
  const auto lower = links.find(link.lower_index);
  if (lower == links.end()) {
    return absl::StrCat(link.name, " is a VLAN of an interface that is not in this namespace");
  }
  if (lower->second.vlan != 0) {
    return absl::StrCat(link.name, " is a VLAN within a VLAN: not supported");
  }
  next_hop->interface = lower->second.name;
  next_hop->former_interface =
      lower->second.first_name == lower->second.name ? "" : lower->second.first_name;
  next_hop->vlan = link.vlan;
  return "";
}

}  // namespace guideway
