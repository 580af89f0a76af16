// The device by ioctl, everything else by rtnetlink.
#include "controlplane/tunnel/anchor.h"

#include <fcntl.h>
#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "lib/base/status.h"

namespace guideway {
namespace {

// Right behind the rule for local addresses: the operator's own rules, by source address for
// instance, must not catch probes.
constexpr uint32_t kRulePriority = 1;
constexpr uint8_t kFamilies[] = {AF_INET, AF_INET6};

// Adding what is there already changes nothing, and the kernel tells nobody of a change.
absl::Status UnlessThere(const absl::Status& added) {
  return absl::IsAlreadyExists(added) ? absl::OkStatus() : added;
}

const char* NameOf(uint8_t family) { return family == AF_INET ? "IPv4" : "IPv6"; }

}  // namespace

absl::StatusOr<std::unique_ptr<ProbeAnchor>> ProbeAnchor::Open(const Numbers& numbers) {
  std::unique_ptr<ProbeAnchor> anchor(new ProbeAnchor(numbers));
  GW_RETURN_IF_ERROR(anchor->Connect());
  GW_RETURN_IF_ERROR(anchor->MakeDevice());
  anchor->RemoveRules();  // as many as crashed predecessors have left
  GW_RETURN_IF_ERROR(anchor->Configure());
  GW_RETURN_IF_ERROR(anchor->Ensure());
  return anchor;
}

ProbeAnchor::~ProbeAnchor() {
  // Without a device this process has no right to them: they may be another control plane's.
  if (device_.valid()) RemoveRules();
}

absl::Status ProbeAnchor::RemoveLeftovers(const Numbers& numbers) {
  // The device is there: so is its process, and the rules are in use.
  if (access(absl::StrCat("/proc/sys/net/ipv4/conf/", kDevice).c_str(), F_OK) == 0) {
    return absl::OkStatus();
  }
  ProbeAnchor anchor(numbers);
  GW_RETURN_IF_ERROR(anchor.Connect());
  anchor.RemoveRules();
  return absl::OkStatus();
}

absl::Status ProbeAnchor::Connect() {
  netlink_.reset(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC));
  if (!netlink_ || mnl_socket_bind(netlink_.get(), 0, MNL_SOCKET_AUTOPID) != 0) {
    return ErrnoStatus(errno, "open rtnetlink");
  }
  const timeval patience{.tv_sec = 1, .tv_usec = 0};
  setsockopt(mnl_socket_get_fd(netlink_.get()), SOL_SOCKET, SO_RCVTIMEO, &patience,
             sizeof(patience));
  return absl::OkStatus();
}

absl::Status ProbeAnchor::MakeDevice() {
  UniqueFd device(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!device.valid()) return ErrnoStatus(errno, "open /dev/net/tun");
  ifreq request{};
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  static_assert(sizeof(kDevice) <= IFNAMSIZ);
  std::memcpy(request.ifr_name, kDevice, sizeof(kDevice));
  if (ioctl(device.get(), TUNSETIFF, &request) != 0) {
    const int error = errno;
    return ErrnoStatus(error, absl::StrCat("make device ", kDevice,
                                           error == EBUSY   ? " (another process has it)"
                                           : error == EPERM ? " (needs CAP_NET_ADMIN)"
                                                            : ""));
  }
  // Should somebody have made it to stay: it must end with this process.
  if (ioctl(device.get(), TUNSETPERSIST, 0) != 0) return ErrnoStatus(errno, kDevice);
  device_ = std::move(device);
  const UniqueFd any(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (ioctl(any.get(), SIOCGIFINDEX, &request) != 0) return ErrnoStatus(errno, kDevice);
  interface_index_ = static_cast<uint32_t>(request.ifr_ifindex);
  return absl::OkStatus();
}

absl::Status ProbeAnchor::Ask(nlmsghdr* request, const std::string& what) {
  request->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
  request->nlmsg_seq = ++sequence_;
  if (mnl_socket_sendto(netlink_.get(), request, request->nlmsg_len) < 0) {
    return ErrnoStatus(errno, what);
  }
  char buffer[4096];
  for (;;) {
    const ssize_t got = mnl_socket_recvfrom(netlink_.get(), buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, what);
    const auto* message = reinterpret_cast<const nlmsghdr*>(buffer);
    int left = static_cast<int>(got);
    if (!mnl_nlmsg_ok(message, left) || message->nlmsg_seq != sequence_) continue;
    if (message->nlmsg_type != NLMSG_ERROR) continue;
    const auto* error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message));
    return error->error == 0 ? absl::OkStatus() : ErrnoStatus(-error->error, what);
  }
}

absl::Status ProbeAnchor::Configure() {
  // Before the device is up, and in a message of its own: no link-local address, so that the kernel
  // has nothing of its own to send here. Fails without IPv6, which is as good.
  char buffer[256];
  nlmsghdr* quiet = mnl_nlmsg_put_header(buffer);
  quiet->nlmsg_type = RTM_SETLINK;
  auto* link = static_cast<ifinfomsg*>(mnl_nlmsg_put_extra_header(quiet, sizeof(ifinfomsg)));
  link->ifi_index = static_cast<int>(interface_index_);
  nlattr* families = mnl_attr_nest_start(quiet, IFLA_AF_SPEC);
  nlattr* ipv6 = mnl_attr_nest_start(quiet, AF_INET6);
  mnl_attr_put_u8(quiet, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
  mnl_attr_nest_end(quiet, ipv6);
  mnl_attr_nest_end(quiet, families);
  Ask(quiet, "").IgnoreError();

  nlmsghdr* up = mnl_nlmsg_put_header(buffer);
  up->nlmsg_type = RTM_NEWLINK;
  link = static_cast<ifinfomsg*>(mnl_nlmsg_put_extra_header(up, sizeof(ifinfomsg)));
  link->ifi_index = static_cast<int>(interface_index_);
  link->ifi_flags = IFF_UP;
  link->ifi_change = IFF_UP;
  mnl_attr_put_u32(up, IFLA_MTU, kMtuBytes);
  return Ask(up, absl::StrCat("set up ", kDevice));
}

absl::Status ProbeAnchor::SetRule(uint8_t family, bool add) {
  char buffer[256];
  nlmsghdr* request = mnl_nlmsg_put_header(buffer);
  request->nlmsg_type = add ? RTM_NEWRULE : RTM_DELRULE;
  if (add) request->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
  auto* rule =
      static_cast<fib_rule_hdr*>(mnl_nlmsg_put_extra_header(request, sizeof(fib_rule_hdr)));
  rule->family = family;
  rule->action = FR_ACT_TO_TBL;
  mnl_attr_put_u32(request, FRA_PRIORITY, kRulePriority);
  mnl_attr_put_u32(request, FRA_FWMARK, numbers_.mark);
  mnl_attr_put_u32(request, FRA_FWMASK, 0xffffffff);
  mnl_attr_put_u32(request, FRA_TABLE, numbers_.table);
  return UnlessThere(Ask(request, absl::StrCat(NameOf(family), " rule for probes")));
}

absl::Status ProbeAnchor::SetRoute(uint8_t family) {
  char buffer[256];
  nlmsghdr* request = mnl_nlmsg_put_header(buffer);
  request->nlmsg_type = RTM_NEWROUTE;
  request->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
  auto* route = static_cast<rtmsg*>(mnl_nlmsg_put_extra_header(request, sizeof(rtmsg)));
  route->rtm_family = family;
  route->rtm_table = RT_TABLE_UNSPEC;
  route->rtm_protocol = RTPROT_STATIC;
  route->rtm_scope = family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  route->rtm_type = RTN_UNICAST;
  mnl_attr_put_u32(request, RTA_TABLE, numbers_.table);
  mnl_attr_put_u32(request, RTA_OIF, interface_index_);
  return UnlessThere(Ask(request, absl::StrCat(NameOf(family), " route for probes")));
}

absl::Status ProbeAnchor::Ensure() {
  for (const uint8_t family : kFamilies) {
    absl::Status& served = served_[family == AF_INET ? 0 : 1];
    served = SetRoute(family);
    if (served.ok()) served = SetRule(family, /*add=*/true);
  }
  return served_[0].ok() || served_[1].ok() ? absl::OkStatus() : served_[0];
}

void ProbeAnchor::RemoveRules() {
  // A bound, should the kernel ever say ok without removing anything.
  constexpr int kMostLeftovers = 100;
  for (const uint8_t family : kFamilies) {
    for (int i = 0; i < kMostLeftovers && SetRule(family, /*add=*/false).ok(); ++i) continue;
  }
}

}  // namespace guideway
