// See common_failures.h.
#include "controlplane/health/common_failures.h"

#include <algorithm>
#include <utility>

namespace guideway {

void CommonFailures::SetMembers(const std::map<std::string, Member>& members, absl::Duration bound,
                                absl::Duration now) {
  BeginMembers(members.size(), bound);
  for (const auto& [key, member] : members) SetMember(key, member, now);
  while (EndMembers(now)) {
  }
}

void CommonFailures::BeginMembers(size_t count, absl::Duration bound) {
  bound_ = bound;
  // At once, not again and again in some of the steps.
  states_.reserve(count);
  addresses_.reserve(count);
  ++round_;
  set_members_ = 0;
  gone_known_ = false;
}

void CommonFailures::SetMember(const std::string& key, Member member, absl::Duration now) {
  auto it = states_.find(key);
  if (it != states_.end() && it->second.member.pool != member.pool) {
    Remove(key, now);
    it = states_.end();
  }
  const bool is_new = it == states_.end();
  if (is_new) it = states_.try_emplace(key).first;
  State& state = it->second;
  if (std::exchange(state.round, round_) != round_) ++set_members_;
  Pool& pool = pools_[member.pool];
  if (!is_new) CountConfigured(state, -1);
  state.member = std::move(member);
  CountConfigured(state, 1);
  if (!is_new) return;
  ++pool.members;
  SetVerdict(&state, state.member.verdict);
  SetInService(&state, state.member.verdict == HealthState::kHealthy);
  if (state.verdict == HealthState::kUnhealthy) Inherit(key, &state, now);
}

void CommonFailures::Inherit(const std::string& key, State* state, absl::Duration now) {
  if (bound_ <= absl::ZeroDuration()) return;
  Hold hold = Hold::kNone;
  std::optional<absl::Duration> failing = now;
  if (const auto others = undecided_of_address_.find(state->member.address);
      others != undecided_of_address_.end()) {
    const State& other = states_.at(*others->second.begin());
    hold = other.hold;
    failing = other.failing;
    state->kept_until = other.kept_until;
    state->waits_until = other.waits_until;
  } else if (const auto found = remembered_.find(state->member.address);
             found != remembered_.end()) {
    hold = found->second.held ? Hold::kHeld : Hold::kKept;
    state->kept_until = found->second.kept_until;
    remembered_.erase(found);
  }
  if (hold == Hold::kNone) return;
  SetInService(state, true);
  SetFailing(state, failing);
  SetHold(key, state, hold, now);
}

std::string CommonFailures::AppendHolds(absl::Duration now, const std::string& after, size_t count,
                                        std::vector<AddressHold>* holds) const {
  auto it = undecided_of_address_.upper_bound(after);
  for (; count > 0 && it != undecided_of_address_.end(); --count, ++it) {
    const auto& [address, keys] = *it;
    AddressHold of_address{.address = address};
    for (const std::string& key : keys) {
      const State& state = states_.at(key);
      of_address.held = of_address.held || state.hold == Hold::kHeld;
      // Who waits may have failed with others: that is not heard of any more.
      const bool waits = state.hold == Hold::kWaiting;
      of_address.left = std::max(of_address.left, waits ? bound_ : state.kept_until - now);
    }
    if (of_address.held) of_address.left = absl::ZeroDuration();
    if (of_address.held || of_address.left > absl::ZeroDuration()) {
      holds->push_back(std::move(of_address));
    }
  }
  if (it != undecided_of_address_.end()) return std::prev(it)->first;
  for (const auto& [address, hold] : remembered_) {
    if (undecided_of_address_.contains(address)) continue;
    const absl::Duration left = std::max(hold.kept_until - now, absl::ZeroDuration());
    holds->push_back({.address = address, .held = hold.held, .left = left});
  }
  return "";
}

void CommonFailures::Remember(const std::vector<AddressHold>& holds, absl::Duration now) {
  remembered_until_ = now + kRememberFor;
  for (const AddressHold& hold : holds) {
    const absl::Duration until = hold.held ? absl::ZeroDuration() : now + hold.left;
    remembered_[hold.address] = {.held = hold.held, .kept_until = until};
  }
}

bool CommonFailures::EndMembers(absl::Duration now) {
  if (!gone_known_) {
    gone_known_ = true;
    gone_.clear();
    if (states_.size() == set_members_) return true;
    for (const auto& [key, state] : states_) {
      if (state.round != round_) gone_.push_back(key);
    }
    return true;
  }
  if (!gone_.empty()) {
    Remove(gone_.back(), now);
    gone_.pop_back();
    return true;
  }
  if (now >= remembered_until_) remembered_.clear();
  if (bound_ > absl::ZeroDuration() || undecided_.empty()) return false;
  const std::string key = *undecided_.begin();
  SetInService(&states_.at(key), false);
  SetHold(key, &states_.at(key), Hold::kNone, now);
  return true;
}

void CommonFailures::OnAnswer(const std::string& key, bool failing, absl::Duration began,
                              absl::Duration now) {
  const auto found = states_.find(key);
  if (found == states_.end()) return;
  State& state = found->second;
  Pool& pool = pools_.at(state.member.pool);
  if (failing) {
    if (!state.failing.has_value()) SetFailing(&state, now);
    if (state.hold == Hold::kHeld) CountFailure(key, &state, began, now);
    return;
  }
  SetFailing(&state, std::nullopt);
  pool.latest_good = std::max(pool.latest_good, began);
  if (!state.member.lingers) latest_good_ = std::max(latest_good_, began);
  if (pool.held > 0 && !pool.recovered.has_value() && began >= pool.since) {
    pool.recovered = began;
    ++pool.recoveries;
  }
}

void CommonFailures::CountFailure(const std::string& key, State* state, absl::Duration began,
                                  absl::Duration now) {
  Pool& pool = pools_.at(state->member.pool);
  if (!pool.recovered.has_value() || began < *pool.recovered) return;
  if (state->recovery != pool.recoveries) state->failures_since = 0;
  state->recovery = pool.recoveries;
  if (++state->failures_since < state->member.fall) return;
  // A good answer that nothing came of was not the end of it.
  if (pool.healthy == 0) {
    pool.recovered.reset();
    return;
  }
  Decide(key, state, now);
}

void CommonFailures::OnVerdict(const std::string& key, HealthState verdict, absl::Duration now) {
  const auto found = states_.find(key);
  if (found == states_.end()) return;
  State& state = found->second;
  const HealthState before = state.verdict;
  const Pool& pool = pools_.at(state.member.pool);
  // All of the pool were unhealthy, so all got flows: the first that is not is not to get all.
  const bool was_open = pool.configured.healthy == 0 && pool.configured.held == 0 &&
                        before == HealthState::kUnhealthy && !state.member.lingers;
  SetVerdict(&state, verdict);
  if (verdict == HealthState::kHealthy) {
    SetInService(&state, true);
    SetHold(key, &state, Hold::kNone, now);
    state.kept_until = absl::ZeroDuration();
    if (was_open) HoldOthers(state.member.pool, now);
  } else if (verdict == HealthState::kUnhealthy && state.in_service) {
    state.waits_until = state.failing.value_or(now) + state.member.round;
    Decide(key, &state, now);
  }
}

void CommonFailures::HoldOthers(const std::string& pool_name, absl::Duration now) {
  if (bound_ <= absl::ZeroDuration()) return;
  for (auto& [key, state] : states_) {
    if (state.member.pool != pool_name || state.verdict != HealthState::kUnhealthy) continue;
    if (state.member.lingers) continue;
    SetInService(&state, true);
    SetHold(key, &state, Hold::kHeld, now);
  }
  Pool& pool = pools_.at(pool_name);
  if (pool.configured.held == 0) return;
  pool.recovered = now;
  ++pool.recoveries;
}

// Of one whose verdict is unhealthy and who was in service.
void CommonFailures::Decide(const std::string& key, State* state, absl::Duration now) {
  const Pool& pool = pools_.at(state->member.pool);
  const absl::Duration since = state->failing.value_or(now);
  // Who is kept is known to have failed with others, also if its pool has another name since.
  const bool unheard = pool.latest_good < since && state->hold != Hold::kKept;
  Hold hold = Hold::kNone;
  if (bound_ <= absl::ZeroDuration()) {
  } else if (unheard && !IsAlone(pool, since)) {
    const bool all_fail = pool.failing == pool.in_service;
    hold = all_fail || now >= state->waits_until ? Hold::kHeld : Hold::kWaiting;
  } else if ((state->hold == Hold::kHeld && pool.most_held >= kManyAddresses) ||
             now < state->kept_until || ManyFail(*state)) {
    // Who failed together with others is not cut because these have come back first.
    if (state->hold != Hold::kKept && now >= state->kept_until) state->kept_until = now + bound_;
    if (now < state->kept_until) hold = Hold::kKept;
  } else if (state->hold != Hold::kKept && now < state->waits_until) {
    hold = Hold::kWaiting;  // some answer, and others may fail with it that have not been heard yet
  }
  if (hold == Hold::kNone) SetInService(state, false);
  SetHold(key, state, hold, now);
}

bool CommonFailures::ManyFail(const State& state) const {
  const auto many = [](size_t failing, size_t all) {
    return failing >= kManyAddresses && failing * 100 >= all * kManyPercent;
  };
  if (addresses_failing_ < kManyAddresses) return false;
  const Pool& pool = pools_.at(state.member.pool);
  return many(pool.failing, pool.in_service) || many(addresses_failing_, addresses_in_service_);
}

void CommonFailures::Update(absl::Duration now) {
  for (const std::string& key : std::set<std::string>(undecided_)) {
    State& state = states_.at(key);
    // Who answers by now will be healthy, or fail again; but its wait is no longer for that.
    if (!state.failing.has_value()) {
      if (state.hold != Hold::kWaiting || now < state.waits_until) continue;
      SetInService(&state, false);
      SetHold(key, &state, Hold::kNone, now);
    } else if (state.hold == Hold::kHeld) {
      UpdateHeld(key, &state, now);
    } else {
      Decide(key, &state, now);
    }
  }
}

// When the others answer again it gets as many probes to do so as a verdict takes.
void CommonFailures::UpdateHeld(const std::string& key, State* state, absl::Duration now) {
  if (!IsAlone(pools_.at(state->member.pool), *state->failing)) {
    state->alone_since.reset();
    return;
  }
  if (!state->alone_since.has_value()) state->alone_since = now;
  if (now - *state->alone_since >= state->member.round * state->member.fall) {
    Decide(key, state, now);
  }
}

CommonFailures::Hold CommonFailures::HoldOf(const std::string& key) const {
  if (undecided_.empty()) return Hold::kNone;
  const auto found = states_.find(key);
  return found == states_.end() ? Hold::kNone : found->second.hold;
}

bool CommonFailures::IsLongHeld(const std::string& key, absl::Duration now) const {
  if (!IsHeld(key)) return false;
  return now >= pools_.at(states_.at(key).member.pool).since + bound_;
}

bool CommonFailures::HoldsWholePool(const std::string& pool) const {
  const auto found = pools_.find(pool);
  return found != pools_.end() && found->second.configured.held > 0 &&
         found->second.configured.healthy == 0;
}

std::vector<CommonFailures::Episode> CommonFailures::Episodes(
    absl::Duration now, const std::function<bool(const std::string& key)>& is_spared) const {
  std::map<std::string, Episode> by_pool;
  for (const std::string& key : undecided_) {
    const State& state = states_.at(key);
    if (state.member.lingers || state.hold == Hold::kWaiting) continue;
    if (is_spared && is_spared(key)) continue;
    const Pool& pool = pools_.at(state.member.pool);
    Episode& episode = by_pool[state.member.pool];
    episode.pool = state.member.pool;
    episode.backends = pool.configured.in_service;
    ++(state.hold == Hold::kHeld ? episode.held : episode.kept);
    episode.since = pool.since;
    episode.long_held = episode.held > 0 && now >= pool.since + bound_;
  }
  std::vector<Episode> episodes;
  episodes.reserve(by_pool.size());
  for (auto& [name, episode] : by_pool) episodes.push_back(std::move(episode));
  return episodes;
}

void CommonFailures::SetHold(const std::string& key, State* state, Hold hold, absl::Duration now) {
  if (state->hold == hold) return;
  state->alone_since.reset();
  Pool& pool = pools_.at(state->member.pool);
  if (pool.held + pool.kept == 0 || (hold == Hold::kHeld && pool.held == 0)) {
    pool.since = now;
    pool.most_held = 0;
  }
  const auto add = [&](size_t by) { (state->hold == Hold::kHeld ? pool.held : pool.kept) += by; };
  if (state->hold != Hold::kNone) add(static_cast<size_t>(-1));
  CountConfigured(*state, -1);
  state->hold = hold;
  CountConfigured(*state, 1);
  if (hold != Hold::kNone) add(1);
  pool.most_held = std::max(pool.most_held, pool.held);
  if (pool.held == 0) pool.recovered.reset();
  std::set<std::string>& of_address = undecided_of_address_[state->member.address];
  if (hold == Hold::kNone) {
    undecided_.erase(key);
    of_address.erase(key);
    if (of_address.empty()) undecided_of_address_.erase(state->member.address);
  } else {
    undecided_.insert(key);
    of_address.insert(key);
  }
  changed_.insert(state->member.pool);
}

void CommonFailures::SetInService(State* state, bool in_service) {
  if (state->in_service == in_service) return;
  Count(*state, -1);
  CountConfigured(*state, -1);
  state->in_service = in_service;
  CountConfigured(*state, 1);
  Count(*state, 1);
}

void CommonFailures::SetFailing(State* state, std::optional<absl::Duration> since) {
  if (state->failing.has_value() == since.has_value()) return;
  Count(*state, -1);
  state->failing = since;
  Count(*state, 1);
}

void CommonFailures::SetVerdict(State* state, HealthState verdict) {
  Pool& pool = pools_.at(state->member.pool);
  if (state->verdict == HealthState::kHealthy) --pool.healthy;
  CountConfigured(*state, -1);
  state->verdict = verdict;
  CountConfigured(*state, 1);
  if (verdict == HealthState::kHealthy) ++pool.healthy;
}

// Takes a backend out of the sums (-1), or puts it in (1).
void CommonFailures::Count(const State& state, int sign) {
  if (!state.in_service) return;
  const auto by = static_cast<size_t>(sign);
  const size_t failing = state.failing.has_value() ? by : 0;
  Pool& pool = pools_.at(state.member.pool);
  pool.in_service += by;
  pool.failing += failing;
  Address& address = addresses_[state.member.address];
  const auto fails = [&] {
    return address.in_service > 0 && address.failing == address.in_service;
  };
  addresses_in_service_ -= address.in_service > 0 ? 1 : 0;
  addresses_failing_ -= fails() ? 1 : 0;
  address.in_service += by;
  address.failing += failing;
  addresses_in_service_ += address.in_service > 0 ? 1 : 0;
  addresses_failing_ += fails() ? 1 : 0;
  if (address.in_service == 0) addresses_.erase(state.member.address);
}

// The same of the sums of those that are configured.
void CommonFailures::CountConfigured(const State& state, int sign) {
  if (state.member.lingers) return;
  const auto by = static_cast<size_t>(sign);
  for (Configured* sums : {&pools_.at(state.member.pool).configured, &configured_}) {
    sums->members += by;
    sums->in_service += state.in_service ? by : 0;
    sums->healthy += state.verdict == HealthState::kHealthy ? by : 0;
    sums->held += state.hold == Hold::kHeld ? by : 0;
  }
}

void CommonFailures::Remove(const std::string& key, absl::Duration now) {
  const auto found = states_.find(key);
  if (found == states_.end()) return;
  State* state = &found->second;
  SetHold(key, state, Hold::kNone, now);
  SetVerdict(state, HealthState::kUnknown);
  SetInService(state, false);
  const auto pool = pools_.find(state->member.pool);
  CountConfigured(*state, -1);
  if (--pool->second.members == 0) {
    changed_.erase(pool->first);
    pools_.erase(pool);
  }
  states_.erase(found);
}

}  // namespace guideway
