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
// Gateways of former routes that failed and are watched.
constexpr size_t kMostGateways = 256;
// After an error of this host's own.
constexpr absl::Duration kAskAgain = absl::Seconds(1);
// After a burst of such turns so many times as long nothing is worked out.
constexpr int kRestFactor = 4;
constexpr absl::Duration kResynchroniseInterval = absl::Seconds(1);

}  // namespace

Resolver::Resolver(EventLoop* loop, std::function<void()> on_change)
    : loop_(loop), on_change_(std::move(on_change)) {}

Resolver::~Resolver() {
  *alive_ = false;
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
  CheckStale({});
  return absl::OkStatus();
}

void Resolver::BeginTurn() { turn_end_ = loop_->Now() + EventLoop::kTurn; }

void Resolver::OnLink(const Link& link, bool deleted) {
  changed_ = true;
  OnRoutesChanged(nullptr);
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
  if (gateways_.contains(key)) OnRoutesChanged(nullptr);
}

// A route takes part only in lookups of what lies within its prefix, whatever table it is in.
void Resolver::OnRoutesChanged(const IpPrefix* within) {
  if (outdated_.size() == lookups_.size()) return;  // all are
  auto it = within != nullptr ? lookups_.lower_bound(within->address) : lookups_.begin();
  for (; it != lookups_.end(); ++it) {
    if (within != nullptr && !within->Contains(it->first)) {
      // In this order all of IPv4 lies between some addresses of IPv6.
      if (!within->address.IsIpv4() && it->first.IsIpv4()) continue;
      break;
    }
    outdated_.insert(outdated_.end(), it->first);
  }
}

void Resolver::ReadEvents() {
  BeginTurn();
  const absl::Status read = netlink_->ReadEvents([this] { return TimeIsUp(); });
  if (!read.ok()) {
    LOG(WARNING) << "next hops: " << read.message() << "; reading everything anew";
    // In a flood of changes that overwhelms the kernel's memory for them, not again and again.
    ResynchroniseIn(resynchronised_at_ + kResynchroniseInterval - loop_->Now());
    return;
  }
  LookUpSoon();
  if (changed_) WorkSoon(/*resting=*/true);
}

void Resolver::LookUpSoon() {
  // A burst that goes on ends first, so that something comes of it even if changes never end.
  if (outdated_.empty() || route_timer_ != 0 || !due_.empty()) return;
  route_timer_ = loop_->After(kRouteQuiet, [this] {
    route_timer_ = 0;
    LookUpRoutes();
    WorkSoon(/*resting=*/true);
  });
}

void Resolver::ResynchroniseIn(absl::Duration delay) {
  if (resynchronise_timer_ != 0) return;
  resynchronise_timer_ = loop_->After(delay, [this] {
    resynchronise_timer_ = 0;
    Resynchronise();
  });
}

void Resolver::Resynchronise() {
  resynchronised_at_ = loop_->Now();
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
    ResynchroniseIn(kAskAgain);
  }
  changed_ = true;
  OnRoutesChanged(nullptr);
  LookUpRoutes();
  round_.reset();
  BeginTurn();
  Work();
}

void Resolver::WorkSoon(bool resting) {
  if (posted_) return;
  posted_ = true;
  const auto work = [this, alive = alive_] {
    if (!*alive) return;
    posted_ = false;
    BeginTurn();
    Work();
  };
  const absl::Duration rest = rest_until_ - loop_->Now();
  if (resting && rest > absl::ZeroDuration()) {
    loop_->After(rest, work);
  } else {
    loop_->Post(work);
  }
}

void Resolver::Work() {
  const absl::Duration begin = loop_->Now();
  const bool all = ReplaceSome() && LookUpSome() && RecomputeSome();
  worked_ += loop_->Now() - begin;
  if (!all) {
    WorkSoon(/*resting=*/false);
    return;
  }
  rest_until_ = loop_->Now() + kRestFactor * worked_;
  worked_ = absl::ZeroDuration();
  SolicitMissing();
  LookUpSoon();
  if (changed_) WorkSoon(/*resting=*/true);
}

void Resolver::LookUpRoutes() {
  due_.merge(outdated_);
  outdated_.clear();
  // Those that do not answer are watched on: where the kernel has left one, nothing else names it.
  const bool too_many = gateways_.size() > kMostGateways + lookups_.size();
  std::erase_if(gateways_, [&](const NeighbourKey& key) {
    const auto neighbour = neighbours_.find(key);
    return too_many || !links_.contains(key.first) ||
           (neighbour != neighbours_.end() && neighbour->second.usable());
  });
}

bool Resolver::LookUpSome() {
  for (std::set<IpAddress>* destinations : {&unknown_, &due_}) {
    while (!destinations->empty()) {
      if (TimeIsUp()) return false;
      const auto found = lookups_.find(*destinations->begin());
      destinations->erase(destinations->begin());
      if (found == lookups_.end() || !netlink_) continue;
      ++lookup_count_;
      LookUp(found->first, &found->second);
      changed_ = true;
      round_.reset();  // what it has done so far may be wrong by now
    }
  }
  return true;
}

void Resolver::LookUp(const IpAddress& destination, Looked* looked) {
  const auto route = netlink_->LookUp(destination);
  if (!route.ok() && !absl::IsNotFound(route.status())) {
    VLOG(1) << destination.ToString() << ": " << route.status().message();
    if (retry_timer_ == 0) {
      retry_timer_ = loop_->After(kAskAgain, [this] {
        retry_timer_ = 0;
        OnRoutesChanged(nullptr);
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

void Resolver::Want(const NeighbourKey& key, Round* round) const {
  if (!links_.contains(key.first)) return;
  round->wanted.insert(key);
  const auto neighbour = neighbours_.find(key);
  if (neighbour == neighbours_.end() || !neighbour->second.usable()) round->unusable.insert(key);
}

void Resolver::BeginRound() {
  changed_ = false;
  round_.emplace(Round{});
  const absl::Duration now = loop_->Now();
  for (auto& [key, entry] : neighbours_) {
    if (entry.Expire(now) && gateways_.contains(key)) OnRoutesChanged(nullptr);
  }
}

bool Resolver::RecomputeSome() {
  if (!round_.has_value()) {
    if (!changed_) return true;
    BeginRound();
  }
  Round& round = *round_;
  auto it = round.after.has_value() ? lookups_.upper_bound(*round.after) : lookups_.begin();
  for (; it != lookups_.end(); ++it) {
    if (TimeIsUp()) return false;
    const auto& [destination, looked] = *it;
    round.after = destination;
    ResolvedNextHop computed = Compute(destination, looked);
    if (looked.status.ok()) Want({looked.route.interface_index, computed.gateway}, &round);
    if (looked.left.has_value()) Want(*looked.left, &round);
    ResolvedNextHop& known = next_hops_[destination];
    if (known == computed) continue;
    known = std::move(computed);
    round.different = true;
  }
  EndRound();
  return true;
}

void Resolver::EndRound() {
  Round round = *std::exchange(round_, std::nullopt);
  const absl::Duration now = loop_->Now();
  for (const NeighbourKey& key : gateways_) {
    const auto neighbour = neighbours_.find(key);
    if (neighbour == neighbours_.end() || !neighbour->second.usable()) Want(key, &round);
  }
  wanted_ = std::move(round.wanted);
  std::erase_if(neighbours_, [&](const auto& entry) {  // kept only for their MAC address
    return entry.second.state() == 0 && !wanted_.contains(entry.first);
  });
  std::erase_if(doubted_, [&](const auto& entry) { return !wanted_.contains(entry.first); });
  std::erase_if(missing_, [&](const auto& entry) { return !round.unusable.contains(entry.first); });
  for (const NeighbourKey& key : round.unusable) {
    missing_.try_emplace(key, Solicitation{now, kFirstBackoff});
  }
  if (std::exchange(knowing_, false)) {
    if (on_looked_up_) on_looked_up_();
  } else if (round.different) {
    on_change_();
  }
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

}  // namespace guideway
