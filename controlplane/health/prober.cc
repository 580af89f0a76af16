// Scheduling of probes and bookkeeping of their results.
#include "controlplane/health/prober.h"

#include <algorithm>
#include <utility>

#include "glog/logging.h"

namespace guideway {
namespace {
// Of the first probe's delay, and of the interval while there is no verdict yet.
constexpr absl::Duration kFirstRound = absl::Seconds(1);
constexpr double kJitter = 0.1;
}  // namespace

Prober::Prober(EventLoop* loop, std::function<void(const std::string&)> on_change,
               OnResult on_result)
    : loop_(loop),
      on_change_(std::move(on_change)),
      on_result_(std::move(on_result)),
      http_(loop),
      random_(std::random_device()()) {}

Prober::~Prober() {
  for (auto& [key, entry] : entries_) loop_->Cancel(entry.timer);
}

void Prober::SetTargets(const std::map<std::string, ProbeTarget>& targets) {
  for (auto it = entries_.begin(); it != entries_.end();) {
    if (targets.contains(it->first)) {
      ++it;
      continue;
    }
    loop_->Cancel(it->second.timer);
    it = entries_.erase(it);
  }
  for (const auto& [key, target] : targets) {
    const auto found = entries_.find(key);
    if (found != entries_.end()) {
      found->second.target = target;
      found->second.health.SetThresholds(target.rise, target.fall);
      continue;
    }
    Entry& entry = entries_.try_emplace(key, target, loop_->Now()).first->second;
    const absl::Duration spread = std::min(target.interval, kFirstRound);
    entry.timer = loop_->After(spread * Random(0, 1), [this, name = key] { StartProbe(name); });
  }
}

const HealthStateMachine* Prober::Find(const std::string& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : &found->second.health;
}

void Prober::StartProbe(const std::string& key) {
  Entry& entry = entries_.at(key);
  entry.timer = 0;
  entry.started = loop_->Now();
  const auto done = [this, key](const ProbeResult& result) { Finish(key, result); };
  entry.probe = entry.target.request.http ? http_.Start(entry.target.request, done)
                                          : StartTcpProbe(loop_, entry.target.request, done);
}

void Prober::Finish(const std::string& key, const ProbeResult& result) {
  Entry& entry = entries_.at(key);
  entry.probe.reset();
  if (on_result_) on_result_(key, result.outcome, loop_->Now() - entry.started);
  bool changed = false;
  if (result.outcome == ProbeResult::Outcome::kNotRun) {
    if (entry.health.RecordNotRun(result.reason)) {
      LOG(WARNING) << "probe of " << key << " not run: " << result.reason;
    }
  } else {
    changed = entry.health.Record(result.outcome == ProbeResult::Outcome::kSuccess, result.reason,
                                  loop_->Now());
  }
  const absl::Duration interval = entry.health.state() == HealthState::kUnknown
                                      ? std::min(entry.target.interval, kFirstRound)
                                      : entry.target.interval;
  const absl::Duration next = entry.started + interval * Random(1 - kJitter, 1 + kJitter);
  entry.timer = loop_->After(next - loop_->Now(), [this, name = key] { StartProbe(name); });
  if (changed) on_change_(key);  // last: may call SetTargets()
}

double Prober::Random(double from, double to) {
  return std::uniform_real_distribution<double>(from, to)(random_);
}

}  // namespace guideway
