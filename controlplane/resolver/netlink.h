// rtnetlink, as far as the resolver needs it: links, neighbours, route lookups, solicitations.
//
// Two sockets: one takes the kernel's notifications, one asks. The kernel answers questions before
// sending returns, so asking does not block. Both belong to the network namespace of the thread
// that calls Open(). Thread safety: one thread.
#ifndef GUIDEWAY_CONTROLPLANE_RESOLVER_NETLINK_H_
#define GUIDEWAY_CONTROLPLANE_RESOLVER_NETLINK_H_

#include <libmnl/libmnl.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controlplane/resolver/netlink_messages.h"
#include "lib/net/address.h"
#include "lib/net/prefix.h"

namespace guideway {

class Netlink {
 public:
  // Takes what the kernel tells, in ReadEvents() and DumpAll().
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void OnLink(const Link& link, bool deleted) = 0;
    virtual void OnNeighbour(const Neighbour& neighbour, bool deleted) = 0;
    // Routes, rules or addresses: what lies `within` (null: everything) is to be looked up again.
    virtual void OnRoutesChanged(const IpPrefix* within) = 0;
  };

  static absl::StatusOr<std::unique_ptr<Netlink>> Open(Listener* listener);

  int event_fd() const { return mnl_socket_get_fd(events_.get()); }
  // Hands pending notifications to the listener, all or until `time_is_up`. DataLoss if the kernel
  // had to drop some: forget everything and call DumpAll().
  absl::Status ReadEvents(const std::function<bool()>& time_is_up);
  // Tells the listener all links and neighbours there are. Unavailable: they changed meanwhile,
  // over and over.
  absl::Status DumpAll();
  // NotFound, with the reason in words, if there is no usable route; other errors say that the
  // kernel has not answered: nothing is known then.
  absl::StatusOr<Route> LookUp(const IpAddress& destination);
  // All next hops of the route that LookUp() chooses from, but for those that the kernel has left.
  std::vector<Route> LookUpAll(const IpAddress& destination);
  // Has the kernel resolve (or check again) a neighbour, as if it had a packet for it.
  absl::Status Solicit(uint32_t interface_index, const IpAddress& address);
  // Has the kernel ask a neighbour that it knows, now; it fails if that does not answer.
  absl::Status Confirm(uint32_t interface_index, const IpAddress& address);

 private:
  struct Close {
    void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
  };
  explicit Netlink(Listener* listener) : listener_(listener) {}
  void HandleEvent(const nlmsghdr* message);
  absl::Status Dump(uint16_t type, uint8_t family);
  absl::Status AskRoute(const IpAddress& destination, uint32_t flags,
                        const std::function<void(const nlmsghdr*)>& take);
  absl::Status ChangeNeighbour(uint32_t interface_index, const IpAddress& address, uint16_t flags,
                               uint16_t state, uint8_t neighbour_flags);
  // Sends a request and gives every answer to `take`.
  absl::Status Ask(nlmsghdr* request, const std::string& what,
                   const std::function<void(const nlmsghdr*)>& take);

  Listener* listener_;
  std::unique_ptr<mnl_socket, Close> events_;
  std::unique_ptr<mnl_socket, Close> questions_;
  uint32_t sequence_ = 0;
  int answer_errno_ = 0;  // of the last Ask(): what the kernel answered; 0: none, or no error
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_RESOLVER_NETLINK_H_
