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
  std::erase_if(entries_, [this](const auto& entry) { return entry.second.round != round_; });
}

Reachability::Verdict Reachability::See(const IpAddress& backend, const Delivery& delivery,
                                        Sight sight) {
  Entry& entry = entries_[{backend, delivery.ToString()}];
  entry.round = round_;
  if (!entry.known && sight == Sight::kUnreachable) {
    entry.unreachable = true;
    entry.lost_at = now_;
  }
  entry.known = entry.known || sight != Sight::kNotKnownYet;
  Follow(sight, &entry);
  Verdict verdict{.unreachable = entry.unreachable};
  if (entry.unreachable && sight != Sight::kReachable) {
    const absl::Duration end = entry.lost_at + kKnownFlowsPatience;
    verdict.gives_up_flows = now_ >= end;
    if (now_ < end) next_step_ = std::min(next_step_, end);
  }
  return verdict;
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
