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
#include <vector>

#include "absl/container/flat_hash_set.h"
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
  // Replaces the set, in any order. It is done in turns of 2 ms, the first one now: new ones are
  // added, those that are gone are removed, and then new ones are looked up; `on_looked_up` is
  // called when all are, not `on_change`. A newer set may come between two turns.
  void SetDestinations(std::vector<IpAddress> destinations);
  void set_on_looked_up(std::function<void()> on_looked_up) {
    on_looked_up_ = std::move(on_looked_up);
  }
  // New destinations are still being looked up.
  bool looking_up() const { return knowing_; }
  uint64_t lookups() const { return lookup_count_; }  // ever
  // One entry for each destination that has been looked up, valid until the next call or event.
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
  void OnRoutesChanged(const IpPrefix* within) override;

  // Putting a set in force: where it is. What is in neither set is never added.
  struct Replacement {
    std::vector<IpAddress> destinations;  // yet to be added
    absl::flat_hash_set<IpAddress> wanted;
    std::optional<IpAddress> kept;  // all up to there stay
  };

  // Working next hops out anew from links, neighbours and lookups, in turns.
  struct Round {
    std::optional<IpAddress> after;  // done up to there
    std::set<NeighbourKey> wanted;
    std::set<NeighbourKey> unusable;  // of them
    bool different = false;           // some next hop has changed
  };
  void BeginTurn();
  bool TimeIsUp() const { return loop_->Now() >= turn_end_; }
  void ReadEvents();
  void ResynchroniseIn(absl::Duration delay);
  void Resynchronise();
  // A turn of all that is to be done; `resting`: not before the time that the last burst of turns
  // has left to others is over.
  void Work();
  void WorkSoon(bool resting);
  void LookUpSoon();
  void LookUpRoutes();
  // All true when there is nothing left.
  bool ReplaceSome();
  bool LookUpSome();
  bool RecomputeSome();
  void BeginRound();
  void EndRound();
  void LookUp(const IpAddress& destination, Looked* looked);
  bool HasFailed(const Route& route, const IpAddress& destination) const;
  void Want(const NeighbourKey& key, Round* round) const;
  ResolvedNextHop Compute(const IpAddress& destination, const Looked& looked);
  // Asks the kernel for what is missing and sets the timer for what to ask again.
  void SolicitMissing();
  void CheckStale(const NeighbourKey& after);

  EventLoop* loop_;
  std::function<void()> on_change_;
  std::function<void()> on_looked_up_;
  // Posted closures hold it: false once this object is gone.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
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
  bool changed_ = false;                            // since the last round began
  std::set<IpAddress> unknown_;                     // destinations that were never looked up
  std::set<IpAddress> outdated_;                    // whose lookup may say something else now
  std::set<IpAddress> due_;                         // those whose quiet time is over
  bool knowing_ = false;                            // somebody waits for `on_looked_up`
  std::optional<Replacement> replacement_;
  std::optional<Round> round_;
  bool posted_ = false;
  absl::Duration turn_end_;
  absl::Duration worked_;  // in the burst of turns going on
  absl::Duration rest_until_;
  absl::Duration resynchronised_at_ = -absl::InfiniteDuration();
  uint64_t lookup_count_ = 0;
  EventLoop::TimerId route_timer_ = 0;
  EventLoop::TimerId solicit_timer_ = 0;
  EventLoop::TimerId stale_timer_ = 0;
  EventLoop::TimerId resynchronise_timer_ = 0;
  EventLoop::TimerId retry_timer_ = 0;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_RESOLVER_RESOLVER_H_
