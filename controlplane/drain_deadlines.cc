// See drain_deadlines.h.
#include "controlplane/drain_deadlines.h"

#include <glog/logging.h>

#include <algorithm>

#include "lib/config/formats.h"

namespace guideway {
namespace {

// A clock that was set may say something else by then.
constexpr absl::Duration kLongestWait = absl::Minutes(1);
// A wall clock that is so far behind the deadline is believed.
constexpr absl::Duration kFarBehind = absl::Hours(24);

}  // namespace

bool DrainDeadlines::Apply(absl::Time wall, absl::Duration now, v1::Config* config) {
  bool any = false;
  ++round_;
  next_ = absl::InfiniteDuration();
  for (v1::Pool& pool : *config->mutable_pools()) {
    for (v1::Backend& backend : *pool.mutable_backends()) {
      if (backend.disable_at().empty()) continue;
      const auto at = ParseTime(backend.disable_at());
      if (!at.ok()) continue;
      const auto [it, is_new] = drains_.try_emplace({backend.address(), backend.disable_at()});
      Drain& drain = it->second;
      drain.round = round_;
      if (is_new) drain.not_before = now + (*at - wall);
      const bool was_over = drain.is_over;
      if (!IsOver(*at, wall, now, &drain) || backend.state() != v1::DRAINED) continue;
      any = true;
      backend.set_state(v1::DISABLED);
      LOG_IF(INFO, !was_over) << "pool " << pool.name() << ": backend " << backend.name()
                              << ": the time of its drain is over, it is disabled";
    }
  }
  std::erase_if(drains_, [this](const auto& entry) { return entry.second.round != round_; });
  return any;
}

bool DrainDeadlines::IsOver(absl::Time at, absl::Time wall, absl::Duration now, Drain* drain) {
  if (drain->is_over) return true;
  const absl::Duration left = std::max(at - wall, drain->not_before - now);
  drain->is_over = left <= absl::ZeroDuration() || wall - at >= kFarBehind;
  if (!drain->is_over) next_ = std::min(next_, now + std::min(left, kLongestWait));
  return drain->is_over;
}

}  // namespace guideway
