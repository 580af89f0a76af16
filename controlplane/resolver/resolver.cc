// Links + neighbours + route lookups -> next hops; and the asking that keeps neighbours resolved.
#include "controlplane/resolver/resolver.h"

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
// The kernel takes three seconds to find out; so often somebody who doubts is heard.
constexpr absl::Duration kDoubtInterval = absl::Seconds(2);
// Gateways of former routes that failed and are watched.
constexpr size_t kMostGateways = 256;
// After an error of this host's own.
constexpr absl::Duration kAskAgain = absl::Seconds(1);

}  // namespace

Resolver::Resolver(EventLoop* loop, std::function<void()> on_change)
    : loop_(loop), on_change_(std::move(on_change)) {}

Resolver::~Resolver() {
  if (netlink_) loop_->Unwatch(netlink_->event_fd());
  for (EventLoop::TimerId timer :
       {route_timer_, solicit_timer_, stale_timer_, resynchronise_timer_, retry_timer_}) {
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
    if (is_new) it->second.status = absl::UnavailableError("not looked up yet");
    if (is_new && netlink_) LookUp(destination, &it->second);
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
  if (gone && !deleted) {
    // They are asked anew when the link is back; until they answer the last address may serve.
    for (auto& [key, entry] : neighbours_) {
      if (key.first == link.index) entry.Forget();
    }
  }
  if (deleted) {
    std::erase_if(neighbours_, [&](const auto& entry) { return entry.first.first == link.index; });
    links_.erase(link.index);
    return;
  }
  Link& known = links_[link.index];
  const std::string first_name = known.first_name.empty() ? link.name : known.first_name;
  known = link;
  known.first_name = first_name;
}

void Resolver::OnNeighbour(const Neighbour& neighbour, bool deleted) {
  changed_ = true;
  const NeighbourKey key{neighbour.interface_index, neighbour.address};
  if (deleted && !wanted_.contains(key)) {
    neighbours_.erase(key);
    return;
  }
  NeighbourEntry& entry = neighbours_[key];
  const bool had_failed = entry.failed();
  const bool was_usable = entry.usable();
  entry.Take(neighbour, deleted, loop_->Now());
  if (entry.failed() == had_failed && entry.usable() == was_usable) return;
  if (gateways_.contains(key)) routes_changed_ = true;
}

void Resolver::OnRoutesChanged() { routes_changed_ = true; }

void Resolver::ReadEvents() {
  const absl::Status read = netlink_->ReadEvents();
  if (!read.ok()) {
    LOG(WARNING) << "next hops: " << read.message() << "; reading everything anew";
    Resynchronise();
    return;
  }
  changed_ ? Update(/*look_up=*/false) : LookUpSoon();
}

void Resolver::LookUpSoon() {
  if (!routes_changed_ || route_timer_ != 0) return;
  route_timer_ = loop_->After(kRouteQuiet, [this] {
    route_timer_ = 0;
    Update(/*look_up=*/true);
  });
}

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

void Resolver::Resynchronise() {
  std::map<uint32_t, Link> before = std::move(links_);
  links_.clear();
  for (auto& [key, entry] : neighbours_) entry.Forget();
  const absl::Status dumped = netlink_->DumpAll();
  for (auto& [index, link] : before) {
    const auto found = links_.find(index);
    if (found != links_.end()) {
      found->second.first_name = link.first_name;
    } else if (!dumped.ok()) {
      links_.emplace(index, std::move(link));  // nothing says that it is gone
    }
  }
  std::erase_if(neighbours_,
                [&](const auto& entry) { return !links_.contains(entry.first.first); });
  if (!dumped.ok()) {
    LOG(ERROR) << "next hops: " << dumped.message() << "; trying again";
    loop_->Cancel(resynchronise_timer_);
    resynchronise_timer_ = loop_->After(kAskAgain, [this] {
      resynchronise_timer_ = 0;
      Resynchronise();
    });
  }
  Update(/*look_up=*/true);
}

void Resolver::Update(bool look_up) {
  if (look_up) LookUpRoutes();
  changed_ = false;
  const bool different = Recompute();
  SolicitMissing();
  LookUpSoon();
  if (different) on_change_();
}

void Resolver::LookUpRoutes() {
  routes_changed_ = false;
  // Those that do not answer are watched on: where the kernel has left one, nothing else names it.
  const bool too_many = gateways_.size() > kMostGateways + lookups_.size();
  std::erase_if(gateways_, [&](const NeighbourKey& key) {
    const auto neighbour = neighbours_.find(key);
    return too_many || !links_.contains(key.first) ||
           (neighbour != neighbours_.end() && neighbour->second.usable());
  });
  for (auto& [destination, looked] : lookups_) LookUp(destination, &looked);
}

void Resolver::LookUp(const IpAddress& destination, Looked* looked) {
  const auto route = netlink_->LookUp(destination);
  if (!route.ok() && !absl::IsNotFound(route.status())) {
    VLOG(1) << destination.ToString() << ": " << route.status().message();
    if (retry_timer_ == 0) {
      retry_timer_ = loop_->After(kAskAgain, [this] {
        retry_timer_ = 0;
        routes_changed_ = true;
        LookUpSoon();
      });
    }
    if (looked->status.ok() || absl::IsNotFound(looked->status)) return;  // as it was
  }
  *looked = route.ok() ? Looked{absl::OkStatus(), *route, {}} : Looked{route.status(), {}, {}};
  if (!route.ok() || !route->gateway.has_value()) return;
  gateways_.insert({route->interface_index, *route->gateway});
  if (!HasFailed(*route, destination)) return;
  for (const Route& other : netlink_->LookUpAll(destination)) {
    if (other.gateway.has_value()) gateways_.insert({other.interface_index, *other.gateway});
    const auto link = links_.find(other.interface_index);
    if (looked->left.has_value() || link == links_.end() || !link->second.up ||
        HasFailed(other, destination)) {
      continue;
    }
    looked->left = NeighbourKey{route->interface_index, *route->gateway};
    looked->route.interface_index = other.interface_index;
    looked->route.gateway = other.gateway;
  }
}

bool Resolver::HasFailed(const Route& route, const IpAddress& destination) const {
  const auto neighbour =
      neighbours_.find({route.interface_index, route.gateway.value_or(destination)});
  return neighbour != neighbours_.end() && neighbour->second.failed();
}

void Resolver::Want(const NeighbourKey& key, std::set<NeighbourKey>* unusable) {
  if (!links_.contains(key.first)) return;
  wanted_.insert(key);
  const auto neighbour = neighbours_.find(key);
  if (neighbour == neighbours_.end() || !neighbour->second.usable()) unusable->insert(key);
}

bool Resolver::Recompute() {
  bool different = false;
  const absl::Duration now = loop_->Now();
  for (auto& [key, entry] : neighbours_) {
    if (entry.Expire(now) && gateways_.contains(key)) routes_changed_ = true;
  }
  wanted_.clear();
  std::set<NeighbourKey> unusable;
  for (const auto& [destination, looked] : lookups_) {
    ResolvedNextHop computed = Compute(destination, looked);
    if (looked.status.ok()) Want({looked.route.interface_index, computed.gateway}, &unusable);
    if (looked.left.has_value()) Want(*looked.left, &unusable);
    ResolvedNextHop& known = next_hops_[destination];
    if (known == computed) continue;
    known = std::move(computed);
    different = true;
  }
  for (const NeighbourKey& key : gateways_) {
    const auto neighbour = neighbours_.find(key);
    if (neighbour == neighbours_.end() || !neighbour->second.usable()) Want(key, &unusable);
  }
  std::erase_if(neighbours_, [&](const auto& entry) {  // kept only for their MAC address
    return entry.second.state() == 0 && !wanted_.contains(entry.first);
  });
  std::erase_if(doubted_, [&](const auto& entry) { return !wanted_.contains(entry.first); });
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
    result.pending = !absl::IsNotFound(looked.status);
    result.problem =
        absl::StrCat(destination.ToString(), ": ", std::string(looked.status.message()));
    return result;
  }
  result.gateway = looked.route.gateway.value_or(destination);
  result.on_link = result.gateway == destination;
  result.source = looked.route.source;
  const auto link = links_.find(looked.route.interface_index);
  if (link == links_.end()) {
    result.problem = absl::StrCat("interface ", looked.route.interface_index, " is gone");
    return result;
  }
  result.interface = link->second.name;
  if (link->second.first_name != link->second.name) {
    result.former_interface = link->second.first_name;
  }
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
  if (neighbour == neighbours_.end() || neighbour->second.mac().IsZero()) {
    // Asked again after a failure, it is as good as failed until it answers.
    result.pending = neighbour == neighbours_.end() || !neighbour->second.failed();
    result.problem = absl::StrCat(result.gateway.ToString(), " on ", result.interface,
                                  result.pending ? " is being resolved" : " does not answer");
    return result;
  }
  result.destination_mac = neighbour->second.mac();
  result.problem = LeaveVlan(link->second, links_, &result);
  return result;
}

bool Resolver::AnyBeingResolved() const {
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
    expiry <= loop_->Now() ? Update(/*look_up=*/false) : SolicitMissing();
  });
}

void Resolver::CheckStale() {
  for (const NeighbourKey& key : wanted_) {
    const auto neighbour = neighbours_.find(key);
    if (neighbour == neighbours_.end()) continue;
    if (!InfoOfNeighbourState(neighbour->second.state()).ask_if_old) continue;
    const absl::Status asked = netlink_->Solicit(key.first, key.second);
    if (!asked.ok()) VLOG(1) << key.second.ToString() << ": " << asked.message();
  }
  stale_timer_ = loop_->After(kStaleInterval, [this] { CheckStale(); });
}

}  // namespace guideway
