// The anchor: a TUN device, `guideway-probe`, to which the kernel routes what has the probes' mark.
//
// A rule for each family sends marked packets to a routing table of their own, whose only route is
// to the device. The device and the routes end with the process that has it open, also by a crash;
// the rules are removed by the destructor, and what a crash left of them by the next Open() or
// RemoveLeftovers(). All in the network namespace of the thread that calls. Needs CAP_NET_ADMIN and
// /dev/net/tun. Thread safety: one thread.
#ifndef GUIDEWAY_CONTROLPLANE_TUNNEL_ANCHOR_H_
#define GUIDEWAY_CONTROLPLANE_TUNNEL_ANCHOR_H_

#include <libmnl/libmnl.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/base/unique_fd.h"
#include "lib/net/address.h"

namespace guideway {

class ProbeAnchor {
 public:
  static constexpr char kDevice[] = "guideway-probe";
  // Small enough for a probe to fit into every tunnel; IPv6 wants no less (RFC 8200, section 5).
  static constexpr uint32_t kMtuBytes = 1280;

  struct Numbers {
    uint32_t mark = 0;   // SO_MARK of the probes' sockets
    uint32_t table = 0;  // of their routes
  };

  // Errors say what could not be done.
  static absl::StatusOr<std::unique_ptr<ProbeAnchor>> Open(const Numbers& numbers);
  ~ProbeAnchor();
  ProbeAnchor(const ProbeAnchor&) = delete;
  ProbeAnchor& operator=(const ProbeAnchor&) = delete;

  // Puts back rules and routes that somebody has removed. Without IPv6 in the kernel that family's
  // are left out, see Serves().
  absl::Status Ensure();
  // Why packets of a family do not come here; ok: they do.
  const absl::Status& Serves(IpFamily family) const {
    return family == IpFamily::kIpv4 ? served_[0] : served_[1];
  }
  // Reads give one IP packet each, with checksums; non-blocking.
  int fd() const { return device_.get(); }

  static absl::Status RemoveLeftovers(const Numbers& numbers);

 private:
  struct Close {
    void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
  };
  explicit ProbeAnchor(const Numbers& numbers) : numbers_(numbers) {}
  absl::Status Connect();
  absl::Status MakeDevice();
  absl::Status Configure();
  absl::Status SetRule(uint8_t family, bool add);
  absl::Status SetRoute(uint8_t family);
  void RemoveRules();
  absl::Status Ask(nlmsghdr* request, const std::string& what);

  const Numbers numbers_;
  UniqueFd device_;
  uint32_t interface_index_ = 0;
  std::unique_ptr<mnl_socket, Close> netlink_;
  uint32_t sequence_ = 0;
  absl::Status served_[2];  // IPv4, IPv6
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_TUNNEL_ANCHOR_H_
