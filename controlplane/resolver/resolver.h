// Next hops for a set of destinations, from the kernel's routes and neighbours, kept up to date.
//
// Event driven: a change in the kernel shows within some 20 ms. What the kernel has not resolved it
// is asked to resolve, again and again with back-off; neighbours that have gone stale are checked
// every 30 s, because the kernel does not see the data plane's packets, and at once when somebody
// doubts them. What a neighbour's state means: neighbour_state.h. While the kernel cannot be asked,
// what it said last stays.
//
// Of a multipath route the kernel's own choice is followed. It is asked again when a gateway fails
// or comes back; if it stays with one that does not answer, another one of the same route is used.
// Thread safety: loop thread only.
#ifndef GUIDEWAY_CONTROLPLANE_RESOLVER_RESOLVER_H_
#define GUIDEWAY_CONTROLPLANE_RESOLVER_RESOLVER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "controlplane/event_loop.h"
#include "controlplane/resolver/neighbour_state.h"
#include "controlplane/resolver/netlink.h"
#include "controlplane/resolver/next_hop.h"

namespace guideway {

class Resolver : private Netlink::Listener {
 public:
  // `on_change` is called after at least one next hop has changed.
  Resolver(EventLoop* loop, std::function<void()> on_change);
  ~Resolver() override;
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // Opens rtnetlink in the calling thread's network namespace.
  absl::Status Start();
  // Replaces the set; new ones are looked up at once (`on_change` is not called for that).
  void SetDestinations(const std::set<IpAddress>& destinations);
  // One entry for each destination, valid until the next call or event.
  const std::map<IpAddress, ResolvedNextHop>& next_hops() const { return next_hops_; }
  // Something suggests that the destination may not be there any more (a probe has failed): has the
  // kernel ask its neighbour, if that makes sense, and not more often than every 2 s.
  void Doubt(const IpAddress& destination);
  // Whether the kernel has yet to answer for some destination: neither good nor failed.
  bool AnyBeingResolved() const;

 private:
  using NeighbourKey = std::pair<uint32_t, IpAddress>;  // interface index, address
  struct Solicitation {
    absl::Duration next_at;
    absl::Duration backoff;
  };
  struct Looked {  // what the route lookup said
    absl::Status status;
    Route route;
    // The kernel's own choice, if its gateway has failed and `route` is another one.
    std::optional<NeighbourKey> left;
  };

  void OnLink(const Link& link, bool deleted) override;
  void OnNeighbour(const Neighbour& neighbour, bool deleted) override;
  void OnRoutesChanged() override;

  void ReadEvents();
  void Resynchronise();
  void LookUpSoon();
  void LookUpRoutes();
  void LookUp(const IpAddress& destination, Looked* looked);
  bool HasFailed(const Route& route, const IpAddress& destination) const;
  void Want(const NeighbourKey& key, std::set<NeighbourKey>* unusable);
  // Recomputes all next hops from links, neighbours and lookups; true if one has changed.
  bool Recompute();
  ResolvedNextHop Compute(const IpAddress& destination, const Looked& looked);
  // Asks the kernel for what is missing and sets the timer for what to ask again.
  void SolicitMissing();
  void CheckStale();
  void Update(bool look_up);

  EventLoop* loop_;
  std::function<void()> on_change_;
  std::unique_ptr<Netlink> netlink_;
  std::map<uint32_t, Link> links_;
  std::map<NeighbourKey, NeighbourEntry> neighbours_;
  std::map<IpAddress, Looked> lookups_;  // its keys are the destinations
  std::map<IpAddress, ResolvedNextHop> next_hops_;
  std::map<NeighbourKey, Solicitation> missing_;  // wanted and not usable
  std::set<NeighbourKey> wanted_;                 // what some destination needs
  // Of routes: when one of them fails or returns, the kernel may choose anew.
  std::set<NeighbourKey> gateways_;
  std::map<NeighbourKey, absl::Duration> doubted_;  // when last
  bool changed_ = false;                            // since the last Update()
  bool routes_changed_ = false;
  EventLoop::TimerId route_timer_ = 0;
  EventLoop::TimerId solicit_timer_ = 0;
  EventLoop::TimerId stale_timer_ = 0;
  EventLoop::TimerId resynchronise_timer_ = 0;
  EventLoop::TimerId retry_timer_ = 0;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_RESOLVER_RESOLVER_H_
