// See reverse_path.h.
#include "controlplane/tunnel/reverse_path.h"

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace guideway {
namespace {

constexpr int kStrict = 1;

// "all", or an interface's name.
int ReversePathFilter(const std::string& name) {
  std::ifstream file(absl::StrCat("/proc/sys/net/ipv4/conf/", name, "/rp_filter"));
  int value = 0;
  file >> value;
  return value;
}

int TakeInterface(const nlattr* attribute, void* index) {
  if (mnl_attr_get_type(attribute) == RTA_OIF && mnl_attr_validate(attribute, MNL_TYPE_U32) == 0) {
    *static_cast<uint32_t*>(index) = mnl_attr_get_u32(attribute);
  }
  return MNL_CB_OK;
}

// Of the route to an IPv4 address; 0: there is none.
uint32_t InterfaceTowards(const IpAddress& address) {
  mnl_socket* asker = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
  if (asker == nullptr) return 0;
  char buffer[4096];
  nlmsghdr* request = mnl_nlmsg_put_header(buffer);
  request->nlmsg_type = RTM_GETROUTE;
  request->nlmsg_flags = NLM_F_REQUEST;
  auto* header = static_cast<rtmsg*>(mnl_nlmsg_put_extra_header(request, sizeof(rtmsg)));
  header->rtm_family = AF_INET;
  header->rtm_dst_len = 32;
  mnl_attr_put_u32(request, RTA_DST, address.ipv4().wire());
  uint32_t index = 0;
  if (mnl_socket_sendto(asker, request, request->nlmsg_len) > 0) {
    const ssize_t got = mnl_socket_recvfrom(asker, buffer, sizeof(buffer));
    const auto* answer = reinterpret_cast<const nlmsghdr*>(buffer);
    if (got > 0 && mnl_nlmsg_ok(answer, static_cast<int>(got)) &&
        answer->nlmsg_type == RTM_NEWROUTE) {
      mnl_attr_parse(answer, sizeof(rtmsg), TakeInterface, &index);
    }
  }
  mnl_socket_close(asker);
  return index;
}

}  // namespace

std::string StrictReversePath(const IpAddress& vip, int interface_index) {
  char name[IF_NAMESIZE] = {};
  if (!vip.IsIpv4() || if_indextoname(static_cast<unsigned>(interface_index), name) == nullptr) {
    return "";
  }
  // The kernel takes the larger value.
  if (std::max(ReversePathFilter("all"), ReversePathFilter(name)) != kStrict) return "";
  const uint32_t towards = InterfaceTowards(vip);
  if (towards == static_cast<uint32_t>(interface_index)) return "";
  return absl::StrCat("net.ipv4.conf.", name, ".rp_filter is strict and the route to ",
                      vip.ToString(), " is not by ", name,
                      ": answers that come in there are dropped; set it to 2");
}

}  // namespace guideway
