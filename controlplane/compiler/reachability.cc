// See reachability.h.
#include "controlplane/compiler/reachability.h"

#include <algorithm>

namespace guideway {

void Reachability::BeginRound(absl::Duration now) {
  ++round_;
  now_ = now;
  next_step_ = absl::InfiniteDuration();
}

void Reachability::EndRound() {
  const auto is_gone = [this](const auto& entry) { return entry.second.round != round_; };
  std::erase_if(entries_, is_gone);
  std::erase_if(outages_, is_gone);
}

bool Reachability::See(const IpAddress& backend, const Delivery& delivery, Sight sight) {
  Entry& entry = entries_[{backend, delivery.ToString()}];
  entry.round = round_;
  entry.has_way = sight == Sight::kReachable;
  if (!entry.known) AwaitFirst(sight, &entry);
  Follow(sight, &entry);
  return entry.unreachable;
}

void Reachability::SeeGroup(const std::string& group, bool none_is_reachable) {
  Outage& outage = outages_[group];
  if (outage.first_round == 0) outage.first_round = round_;
  outage.round = round_;
  if (outage.goes_on == none_is_reachable) return;
  outage.goes_on = none_is_reachable;
  (none_is_reachable ? outage.began : outage.ended) = now_;
}

bool Reachability::GivesUpFlows(const IpAddress& backend, const Delivery& delivery,
                                const std::string& group, absl::Duration patience) {
  Entry& entry = entries_.at({backend, delivery.ToString()});
  Outage& outage = outages_.at(group);
  if (outage.first_round == round_) Inherit(entry.group, &outage);
  entry.group = group;
  if (!entry.unreachable || entry.has_way || outage.goes_on) return false;
  absl::Duration end = entry.lost_at + patience;
  if (entry.lost_at + kOutagePatience > outage.began) {
    end = std::max(end, outage.ended + kOutagePatience);
  }
  if (now_ >= end) return true;
  next_step_ = std::min(next_step_, end);
  return false;
}

void Reachability::Inherit(const std::string& from, Outage* outage) {
  const auto found = outages_.find(from);
  if (found == outages_.end()) return;
  const Outage& was = found->second;
  outage->began = std::min(outage->began, was.began);
  outage->ended = std::max(outage->ended, was.ended);
  const bool ends_now = was.goes_on && was.round != round_ && !outage->goes_on;
  if (ends_now) outage->ended = now_;
}

void Reachability::AwaitFirst(Sight sight, Entry* entry) {
  if (sight == Sight::kReachable) {
    entry->known = true;
    return;
  }
  if (sight == Sight::kNotKnownYet) {
    entry->waits_since =
        ports_are_known_ ? std::min(entry->waits_since, now_) : absl::InfiniteDuration();
    const absl::Duration end = entry->waits_since + kFirstPatience;
    if (now_ < end) {
      next_step_ = std::min(next_step_, end);
      return;
    }
  }
  entry->known = true;
  entry->unreachable = true;
  entry->lost_at = now_;
}

void Reachability::Follow(Sight sight, Entry* entry) {
  if (sight == Sight::kNotKnownYet || (sight == Sight::kUnreachable) == entry->unreachable) {
    entry->contrary_since = absl::InfiniteDuration();
    return;
  }
  entry->contrary_since = std::min(entry->contrary_since, now_);
  const absl::Duration due =
      entry->contrary_since + (entry->unreachable ? entry->return_after : kDownAfter);
  if (now_ >= due) {
    Turn(entry);
  } else {
    next_step_ = std::min(next_step_, due);
  }
}

void Reachability::Turn(Entry* entry) {
  entry->unreachable = !entry->unreachable;
  if (entry->unreachable) {
    const bool flaps = entry->contrary_since - entry->returned_at < kFlapMemory;
    entry->return_after = flaps ? std::min(entry->return_after * 2, kLongestReturn) : kFirstReturn;
    entry->lost_at = entry->contrary_since;
  } else {
    entry->returned_at = now_;
  }
  entry->contrary_since = absl::InfiniteDuration();
}

}  // namespace guideway
