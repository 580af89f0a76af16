// Links + neighbours + route lookups -> next hops; and the asking that keeps neighbours resolved.
#include "controlplane/resolver/resolver.h"

#include <linux/neighbour.h>
#include <sys/epoll.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "controlplane/resolver/vlan.h"
#include "glog/logging.h"

namespace guideway {
namespace {

// Route notifications come in floods (BGP); all within this time are one new round of lookups.
constexpr absl::Duration kRouteQuiet = absl::Milliseconds(20);
constexpr absl::Duration kFirstBackoff = absl::Seconds(1);  // the kernel's own retry interval
constexpr absl::Duration kLongestBackoff = absl::Seconds(4);
constexpr absl::Duration kStaleInterval = absl::Seconds(30);
constexpr uint16_t kUsable = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT;

}  // namespace

Resolver::Resolver(EventLoop* loop, std::function<void()> on_change)
    : loop_(loop), on_change_(std::move(on_change)) {}

Resolver::~Resolver() {
  if (netlink_) loop_->Unwatch(netlink_->event_fd());
  for (EventLoop::TimerId timer : {route_timer_, solicit_timer_, stale_timer_}) {
    loop_->Cancel(timer);
  }
}

absl::Status Resolver::Start() {
  auto opened = Netlink::Open(this);
  if (!opened.ok()) return opened.status();
  netlink_ = std::move(opened).value();
  loop_->Watch(netlink_->event_fd(), EPOLLIN, [this](uint32_t) { ReadEvents(); });
  Resynchronise();
  CheckStale();
  return absl::OkStatus();
}

void Resolver::SetDestinations(const std::set<IpAddress>& destinations) {
  std::erase_if(lookups_, [&](const auto& entry) { return !destinations.contains(entry.first); });
  std::erase_if(next_hops_, [&](const auto& entry) { return !destinations.contains(entry.first); });
  for (const IpAddress& destination : destinations) {
    const auto [it, is_new] = lookups_.try_emplace(destination);
    if (!is_new || !netlink_) continue;
    auto route = netlink_->LookUp(destination);
    it->second = route.ok() ? Looked{absl::OkStatus(), *route} : Looked{route.status(), {}};
  }
  Recompute();
  SolicitMissing();
}

void Resolver::OnLink(const Link& link, bool deleted) {
  changed_ = true;
  routes_changed_ = true;
  const bool gone = deleted || !link.up;
  // Whatever was asked in vain before deserves a fresh start, without back-off.
  std::erase_if(missing_, [&](const auto& entry) { return entry.first.first == link.index; });
  if (gone) {
    // What was known of the neighbours there is void: they are asked anew when the link is back.
    std::erase_if(neighbours_, [&](const auto& entry) { return entry.first.first == link.index; });
  }
  if (deleted) {
    links_.erase(link.index);
  } else {
    links_[link.index] = link;
  }
}

void Resolver::OnNeighbour(const Neighbour& neighbour, bool deleted) {
  changed_ = true;
  const NeighbourKey key{neighbour.interface_index, neighbour.address};
  if (deleted && !wanted_.contains(key)) {
    neighbours_.erase(key);
    return;
  }
  NeighbourEntry& entry = neighbours_[key];
  entry.state = deleted ? uint16_t{NUD_NONE} : neighbour.state;
  if ((entry.state & kUsable) != 0 && !neighbour.mac.IsZero()) {
    entry.mac = neighbour.mac;
    entry.failed = false;
  }
  if ((entry.state & NUD_FAILED) != 0) {
    entry.mac = MacAddress{};
    entry.failed = true;
  }
}

void Resolver::OnRoutesChanged() { routes_changed_ = true; }

void Resolver::ReadEvents() {
  const absl::Status read = netlink_->ReadEvents();
  if (!read.ok()) {
    LOG(WARNING) << "next hops: " << read.message() << "; reading everything anew";
    Resynchronise();
    return;
  }
  if (routes_changed_ && route_timer_ == 0) {
    route_timer_ = loop_->After(kRouteQuiet, [this] {
      route_timer_ = 0;
      Update(/*look_up=*/true);
    });
  }
  if (changed_) Update(/*look_up=*/false);
}

void Resolver::Resynchronise() {
  links_.clear();
  neighbours_.clear();
  const absl::Status dumped = netlink_->DumpAll();
  if (!dumped.ok()) LOG(ERROR) << "next hops: " << dumped.message();
  Update(/*look_up=*/true);
}

void Resolver::Update(bool look_up) {
  if (look_up) LookUpRoutes();
  changed_ = false;
  const bool different = Recompute();
  SolicitMissing();
  if (different) on_change_();
}

void Resolver::LookUpRoutes() {
  routes_changed_ = false;
  for (auto& [destination, looked] : lookups_) {
    auto route = netlink_->LookUp(destination);
    looked = route.ok() ? Looked{absl::OkStatus(), *route} : Looked{route.status(), {}};
  }
}

bool Resolver::Recompute() {
  bool different = false;
  const absl::Duration now = loop_->Now();
  wanted_.clear();
  std::set<NeighbourKey> unusable;
  for (const auto& [destination, looked] : lookups_) {
    ResolvedNextHop computed = Compute(destination, looked);
    if (looked.status.ok() && links_.contains(looked.route.interface_index)) {
      const NeighbourKey key{looked.route.interface_index, computed.gateway};
      const auto neighbour = neighbours_.find(key);
      wanted_.insert(key);
      if (neighbour == neighbours_.end() || (neighbour->second.state & kUsable) == 0) {
        unusable.insert(key);
      }
    }
    ResolvedNextHop& known = next_hops_[destination];
    if (known == computed) continue;
    known = std::move(computed);
    different = true;
  }
  std::erase_if(neighbours_, [&](const auto& entry) {  // kept only for their MAC address
    return entry.second.state == NUD_NONE && !wanted_.contains(entry.first);
  });
  std::erase_if(missing_, [&](const auto& entry) { return !unusable.contains(entry.first); });
  for (const NeighbourKey& key : unusable) {
    missing_.try_emplace(key, Solicitation{now, kFirstBackoff});
  }
  return different;
}

ResolvedNextHop Resolver::Compute(const IpAddress& destination, const Looked& looked) {
  ResolvedNextHop result;
  result.pending = false;
  if (!looked.status.ok()) {
    result.problem =
        absl::StrCat(destination.ToString(), ": ", std::string(looked.status.message()));
    return result;
  }
  result.gateway = looked.route.gateway.value_or(destination);
  result.on_link = !looked.route.gateway.has_value();
  result.source = looked.route.source;
  const auto link = links_.find(looked.route.interface_index);
  if (link == links_.end()) {
    result.problem = absl::StrCat("interface ", looked.route.interface_index, " is gone");
    return result;
  }
  result.interface = link->second.name;
  if (!link->second.ethernet) {
    result.problem = absl::StrCat(result.interface, " has no Ethernet addresses");
    return result;
  }
  if (!link->second.up) {
    result.problem = absl::StrCat(result.interface, " is down");
    return result;
  }
  result.source_mac = link->second.mac;
  result.mtu_bytes = link->second.mtu_bytes;
  if (looked.route.mtu_bytes != 0) {
    result.mtu_bytes = std::min(result.mtu_bytes, looked.route.mtu_bytes);
  }
  const auto neighbour = neighbours_.find({looked.route.interface_index, result.gateway});
  if (neighbour == neighbours_.end() || neighbour->second.mac.IsZero()) {
    const bool failed =
        neighbour != neighbours_.end() && (neighbour->second.state & NUD_FAILED) != 0;
    // Asked again after a failure, it is as good as failed until it answers.
    result.pending = neighbour == neighbours_.end() || !neighbour->second.failed;
    result.problem = absl::StrCat(result.gateway.ToString(), " on ", result.interface,
                                  failed ? " does not answer" : " is being resolved");
    return result;
  }
  result.destination_mac = neighbour->second.mac;
  result.problem = LeaveVlan(link->second, links_, &result);
  return result;
}

bool Resolver::AnyBeingResolved() const {
  for (const auto& [key, solicitation] : missing_) {
    const auto link = links_.find(key.first);
    if (link == links_.end() || !link->second.up || !link->second.ethernet) continue;
    const auto neighbour = neighbours_.find(key);
    if (neighbour == neighbours_.end()) return true;
    const bool failed = (neighbour->second.state & NUD_FAILED) != 0;
    if (neighbour->second.mac.IsZero() && !failed) return true;
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
  if (next == absl::InfiniteDuration()) return;
  solicit_timer_ = loop_->After(next - now, [this] {
    solicit_timer_ = 0;
    SolicitMissing();
  });
}

void Resolver::CheckStale() {
  for (const NeighbourKey& key : wanted_) {
    const auto neighbour = neighbours_.find(key);
    if (neighbour == neighbours_.end() || (neighbour->second.state & NUD_STALE) == 0) continue;
    const absl::Status asked = netlink_->Solicit(key.first, key.second);
    if (!asked.ok()) VLOG(1) << key.second.ToString() << ": " << asked.message();
  }
  stale_timer_ = loop_->After(kStaleInterval, [this] { CheckStale(); });
}

}  // namespace guideway
