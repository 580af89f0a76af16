// See slow_start.h.
#include "controlplane/compiler/slow_start.h"

#include <algorithm>
#include <utility>

namespace guideway {
namespace {

constexpr uint32_t kParts = SlowStart::kSteps + 1;
constexpr uint32_t kMaxWeight = 10000;  // BuildMaglevTable()'s

// How many whole ticks fit into a time.
int64_t TicksIn(absl::Duration time, absl::Duration tick) {
  absl::Duration rest;
  return absl::IDivDuration(time, tick, &rest);
}

}  // namespace

void SlowStart::Update(absl::Duration duration, absl::Duration now,
                       std::vector<MaglevBackend>* takers) {
  if (duration <= absl::ZeroDuration()) {  // costs nothing then; also called for every other pool
    if (seen_) *this = SlowStart();
    return;
  }
  std::set<uint16_t> fresh;
  for (const MaglevBackend& taker : *takers) fresh.insert(taker.index);
  std::erase_if(starts_, [&](const auto& start) { return !fresh.contains(start.first); });
  if (seen_) {
    for (const uint16_t index : fresh) {
      if (!takers_.contains(index)) starts_[index] = now;
    }
  }
  seen_ = true;
  takers_ = std::move(fresh);
  SetSteps(duration, now);
  if (!steps_.empty()) Scale(takers);
}

void SlowStart::SetSteps(absl::Duration duration, absl::Duration now) {
  steps_.clear();
  next_step_ = absl::InfiniteDuration();
  if (starts_.empty()) return;
  const absl::Duration tick = duration / int64_t{kSteps};
  const int64_t ticks = TicksIn(now, tick);
  for (const auto& [index, since] : starts_) {
    const int64_t passed = ticks - TicksIn(since, tick);
    if (passed < int64_t{kSteps}) steps_[index] = static_cast<uint32_t>(passed) + 1;
  }
  std::erase_if(starts_, [this](const auto& start) { return !steps_.contains(start.first); });
  if (!steps_.empty()) next_step_ = (ticks + 1) * tick;
}

void SlowStart::Scale(std::vector<MaglevBackend>* takers) const {
  uint32_t heaviest = 1;
  for (const MaglevBackend& taker : *takers) heaviest = std::max(heaviest, taker.weight);
  // Small weights must leave room for parts of them; large ones have it.
  const uint32_t factor = std::clamp(kMaxWeight / heaviest, 1u, kParts);
  for (MaglevBackend& taker : *takers) {
    const uint32_t step = StepOf(taker.index);
    taker.weight *= factor;
    if (step != 0) taker.weight = std::max(1u, taker.weight * step / kParts);
  }
}

uint32_t SlowStart::StepOf(uint16_t index) const {
  const auto found = steps_.find(index);
  return found == steps_.end() ? 0 : found->second;
}

}  // namespace guideway
