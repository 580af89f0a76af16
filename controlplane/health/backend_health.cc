// See backend_health.h.
#include "controlplane/health/backend_health.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace guideway {

void BackendHealth::SetProbes(const std::vector<ProbeSetting>& probes, bool any_suffices,
                              absl::Duration now) {
  const bool same =
      any_suffices == any_suffices_ &&
      std::equal(probes.begin(), probes.end(), probes_.begin(), probes_.end(),
                 [](const auto& a, const auto& b) { return a.identity == b.setting.identity; });
  if (!same) {
    // Each begins as the whole was: what another probe said of the backend is all that is known.
    probes_.clear();
    for (const ProbeSetting& probe : probes) {
      probes_.push_back({probe, HealthStateMachine(probe.rise, probe.fall, now, state_)});
    }
    any_suffices_ = any_suffices;
    return;
  }
  for (size_t i = 0; i < probes.size(); ++i) {
    probes_[i].setting = probes[i];
    probes_[i].health.SetThresholds(probes[i].rise, probes[i].fall);
  }
}

bool BackendHealth::Record(size_t probe, const ProbeResult& result, absl::Duration now) {
  probes_[probe].health.Record(result.outcome == ProbeResult::Outcome::kSuccess, result.reason,
                               now);
  const HealthState next = Combined();
  if (next == state_) return false;
  state_ = next;
  since_ = now;
  return true;
}

bool BackendHealth::RecordNotRun(size_t probe, const ProbeResult& result) {
  return probes_[probe].health.RecordNotRun(result.reason);
}

HealthState BackendHealth::Combined() const {
  // The state that one probe is enough for, and the one that all are needed for.
  const HealthState one = any_suffices_ ? HealthState::kHealthy : HealthState::kUnhealthy;
  const HealthState all = any_suffices_ ? HealthState::kUnhealthy : HealthState::kHealthy;
  const auto count = [this](HealthState state) {
    return static_cast<size_t>(
        std::count_if(probes_.begin(), probes_.end(),
                      [state](const One& probe) { return probe.health.state() == state; }));
  };
  if (count(one) > 0) return one;
  // Once there was a verdict it stays until there is another.
  return count(all) == probes_.size() ? all : state_;
}

std::string BackendHealth::reason() const {
  if (probes_.size() == 1 && assumed_ && probes_[0].health.reason().empty()) {
    return "as it was kept; no result yet";
  }
  if (probes_.size() == 1) return probes_[0].health.reason();
  std::string text;
  for (const One& probe : probes_) {
    absl::StrAppend(&text, text.empty() ? "" : "; ", probe.setting.label, " ",
                    probe.health.reason().empty() ? "no result yet" : probe.health.reason());
  }
  return text;
}

bool BackendHealth::failing() const {
  const auto fails = [](const One& probe) { return probe.health.failing(); };
  if (!any_suffices_) return std::any_of(probes_.begin(), probes_.end(), fails);
  return !probes_.empty() && std::all_of(probes_.begin(), probes_.end(), fails);
}

bool BackendHealth::not_run() const {
  return std::any_of(probes_.begin(), probes_.end(),
                     [](const One& probe) { return probe.health.not_run(); });
}

}  // namespace guideway
