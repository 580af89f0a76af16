// Scheduling of checks and bookkeeping of their results. Their targets: prober_targets.cc.
#include "controlplane/health/prober.h"

#include <algorithm>
#include <utility>

#include "controlplane/descriptor_shares.h"
#include "glog/logging.h"

namespace guideway {
namespace {
// Of the first probe's delay, and of the interval while there is no verdict yet.
constexpr absl::Duration kFirstRound = absl::Seconds(1);
// But no more than so many: an HTTP probe takes about 100 us of a processor.
constexpr absl::Duration kForEachUnknown = absl::Microseconds(250);

}  // namespace

Prober::Prober(EventLoop* loop, std::function<void(const std::string&)> on_change,
               OnResult on_result)
    : loop_(loop),
      on_change_(std::move(on_change)),
      on_result_(std::move(on_result)),
      gate_(loop, DescriptorShares::OfThisProcess().probes),
      starter_(loop),
      random_(std::random_device()()) {}

Prober::~Prober() {
  for (auto& [identity, check] : checks_) loop_->Cancel(check->timer);
}

void Prober::Remember(std::vector<Verdict> verdicts) {
  for (Verdict& verdict : verdicts) {
    if (verdict.age > kOldestVerdict) continue;
    identities_[std::move(verdict.identity)].known = {
        verdict.healthy ? HealthState::kHealthy : HealthState::kUnhealthy,
        loop_->Now() - verdict.age};
  }
}

std::vector<Verdict> Prober::Verdicts() const {
  std::vector<Verdict> verdicts;
  AppendVerdicts("", identities_.size(), &verdicts);
  return verdicts;
}

std::string Prober::AppendVerdicts(const std::string& after, size_t count,
                                   std::vector<Verdict>* verdicts) const {
  const absl::Duration now = loop_->Now();
  auto it = identities_.upper_bound(after);
  for (; count > 0 && it != identities_.end(); --count, ++it) {
    const auto& [text, identity] = *it;
    std::optional<Known> known = identity.known;
    for (const Entry* entry : identity.entries) {
      if (entry->health.state() == HealthState::kUnknown) continue;
      known = {entry->health.state(), entry->last_result};
      break;
    }
    if (!known.has_value()) continue;
    verdicts->push_back({text, known->state == HealthState::kHealthy, now - known->last_result});
  }
  return it == identities_.end() ? "" : std::prev(it)->first;
}

bool Prober::IsKeptUnhealthy(const std::string& key) const {
  const auto found = entries_.find(key);
  return found != entries_.end() && found->second.kept &&
         found->second.health.state() == HealthState::kUnhealthy;
}

const BackendHealth* Prober::Find(const std::string& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : &found->second.health;
}

absl::Duration Prober::UnknownInterval(const Check& check) const {
  return std::max(std::min(check.target.interval, kFirstRound),
                  kForEachUnknown * static_cast<double>(unknown_count_));
}

void Prober::Schedule(Check* check, absl::Duration delay) {
  check->timer = loop_->After(delay, [this, check] {
    check->timer = 0;
    check->started = loop_->Now();
    const auto lane =
        check->target.request.kind == ProbeKind::kExec ? ProbeGate::kProgram : ProbeGate::kNetwork;
    check->ticket = gate_.Ask(lane, [this, check](std::shared_ptr<ProbeGate::Pass> pass) {
      check->pass = std::move(pass);
      StartProbe(check);
    });
  });
}

void Prober::StartProbe(Check* check) {
  check->probe = starter_.Start(
      check->target.request, [this, check](const ProbeResult& result) { Finish(check, result); });
}

void Prober::Finish(Check* check, const ProbeResult& result) {
  check->probe.reset();
  check->pass.reset();
  check->ticket.reset();
  const std::vector<std::string> changed = Tell(*check, result);
  const bool unknown =
      std::any_of(check->subscribers.begin(), check->subscribers.end(),
                  [](const Subscriber& subscriber) { return subscriber.entry->unsure(); });
  const absl::Duration interval =
      unknown ? std::min(check->target.interval, UnknownInterval(*check)) : check->target.interval;
  const double jitter = check->target.jitter;
  const absl::Duration next = check->started + interval * Random(1 - jitter, 1 + jitter);
  Schedule(check, next - loop_->Now());
  // Last: may call SetTargets(), and this check be gone.
  for (const std::string& key : changed) on_change_(key);
}

std::vector<std::string> Prober::Tell(const Check& check, const ProbeResult& result) {
  std::vector<std::string> changed;
  for (const Subscriber& subscriber : check.subscribers) {
    BackendHealth& health = subscriber.entry->health;
    Entry* entry = subscriber.entry;
    const bool was_unsure = entry->unsure();
    bool changes = false;
    if (result.outcome != ProbeResult::Outcome::kNotRun) {
      changes = health.Record(subscriber.probe, result, loop_->Now());
      entry->last_result = loop_->Now();
      // Confirmed, or changed.
      const bool agrees = health.failing() == (health.state() == HealthState::kUnhealthy);
      if (changes || agrees) entry->assumed = false;
      if (changes) entry->kept = false;
      if (was_unsure && !entry->unsure()) --unknown_count_;
    } else if (health.RecordNotRun(subscriber.probe, result)) {
      LOG(WARNING) << "probe of " << *subscriber.key << " not run: " << result.reason;
    }
    NoteNotRun(*subscriber.key, health);
    if (on_result_) on_result_(*subscriber.key, result.outcome, loop_->Now() - check.started);
    if (!changes) continue;
    changed.push_back(*subscriber.key);
  }
  return changed;
}

void Prober::NoteNotRun(const std::string& key, const BackendHealth& health) {
  if (health.not_run()) {
    not_run_.insert(key);
  } else if (!not_run_.empty()) {
    not_run_.erase(key);
  }
}

double Prober::Random(double from, double to) {
  return std::uniform_real_distribution<double>(from, to)(random_);
}

}  // namespace guideway
