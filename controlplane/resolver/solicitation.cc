// The resolver's questions to the kernel that keep neighbours resolved. See resolver.h.
#include <algorithm>

#include "controlplane/resolver/resolver.h"
#include "glog/logging.h"

namespace guideway {
namespace {

constexpr absl::Duration kLongestBackoff = absl::Seconds(4);
constexpr absl::Duration kStaleInterval = absl::Seconds(30);
// The kernel takes three seconds to find out; so often somebody who doubts is heard.
constexpr absl::Duration kDoubtInterval = absl::Seconds(2);

}  // namespace

void Resolver::Doubt(const IpAddress& destination) {
  const auto looked = lookups_.find(destination);
  if (!netlink_ || looked == lookups_.end() || !looked->second.status.ok()) return;
  const Route& route = looked->second.route;
  const NeighbourKey key{route.interface_index, route.gateway.value_or(destination)};
  const auto neighbour = neighbours_.find(key);
  if (neighbour == neighbours_.end() ||
      !InfoOfNeighbourState(neighbour->second.state()).may_doubt) {
    return;
  }
  const auto [it, is_first] = doubted_.try_emplace(key, loop_->Now());
  if (!is_first && loop_->Now() - it->second < kDoubtInterval) return;
  it->second = loop_->Now();
  const absl::Status asked = netlink_->Confirm(key.first, key.second);
  if (!asked.ok()) VLOG(1) << key.second.ToString() << ": " << asked.message();
}

bool Resolver::AnyBeingResolved() const {
  if (knowing_) return true;
  for (const auto& [key, solicitation] : missing_) {
    const auto link = links_.find(key.first);
    if (link == links_.end() || !link->second.up || !link->second.ethernet) continue;
    const auto neighbour = neighbours_.find(key);
    if (neighbour == neighbours_.end()) return true;
    if (neighbour->second.mac().IsZero() && !neighbour->second.failed()) return true;
  }
  return false;
}

void Resolver::SolicitMissing() {
  loop_->Cancel(solicit_timer_);
  solicit_timer_ = 0;
  if (!netlink_) return;
  const absl::Duration now = loop_->Now();
  absl::Duration next = absl::InfiniteDuration();
  for (auto& [key, solicitation] : missing_) {
    if (solicitation.next_at <= now) {
      if (TimeIsUp()) {
        next = now;  // the rest, in a turn of its own
        break;
      }
      const auto link = links_.find(key.first);
      if (link != links_.end() && link->second.up) {
        const absl::Status asked = netlink_->Solicit(key.first, key.second);
        if (!asked.ok()) VLOG(1) << key.second.ToString() << ": " << asked.message();
      }
      solicitation.next_at = now + solicitation.backoff;
      solicitation.backoff = std::min(solicitation.backoff * 2, kLongestBackoff);
    }
    next = std::min(next, solicitation.next_at);
  }
  absl::Duration expiry = absl::InfiniteDuration();
  for (const auto& [key, solicitation] : missing_) {
    const auto neighbour = neighbours_.find(key);
    if (neighbour != neighbours_.end()) expiry = std::min(expiry, neighbour->second.keep_until());
  }
  next = std::min(next, expiry);
  if (next == absl::InfiniteDuration()) return;
  solicit_timer_ = loop_->After(std::max(next - now, absl::ZeroDuration()), [this, expiry] {
    solicit_timer_ = 0;
    BeginTurn();
    if (expiry > loop_->Now()) {
      SolicitMissing();
      return;
    }
    changed_ = true;
    Work();
  });
}

void Resolver::CheckStale(const NeighbourKey& after) {
  BeginTurn();
  for (auto it = wanted_.upper_bound(after); it != wanted_.end(); ++it) {
    if (TimeIsUp()) {
      stale_timer_ =
          loop_->After(absl::ZeroDuration(), [this, next = *std::prev(it)] { CheckStale(next); });
      return;
    }
    const auto neighbour = neighbours_.find(*it);
    if (neighbour == neighbours_.end()) continue;
    if (!InfoOfNeighbourState(neighbour->second.state()).ask_if_old) continue;
    const absl::Status asked = netlink_->Solicit(it->first, it->second);
    if (!asked.ok()) VLOG(1) << it->second.ToString() << ": " << asked.message();
  }
  stale_timer_ = loop_->After(kStaleInterval, [this] { CheckStale({}); });
}

}  // namespace guideway
