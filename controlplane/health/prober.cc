// Scheduling of checks and bookkeeping of their results.
#include "controlplane/health/prober.h"

#include <openssl/sha.h>

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "controlplane/descriptor_shares.h"
#include "glog/logging.h"

namespace guideway {
namespace {
// Of the first probe's delay, and of the interval while there is no verdict yet.
constexpr absl::Duration kFirstRound = absl::Seconds(1);
// But no more than so many: an HTTP probe takes about 100 us of a processor.
constexpr absl::Duration kForEachUnknown = absl::Microseconds(250);

// Checks with a way of their own are shared by nobody: their key stands for the way.
std::string IdentityOf(const ProbeTarget& target, const std::string& key) {
  return absl::StrCat(guideway::IdentityOf(target.request), " every ",
                      absl::ToInt64Nanoseconds(target.interval), " ", target.jitter, " ",
                      target.request.via ? key : "");
}
// All that a backend's health is found out by, but for how often and with which thresholds.
std::string AskedBy(const BackendProbes& target, const std::string& key) {
  std::string asked = target.any_suffices ? "any of " : "all of ";
  for (const ProbeTarget& probe : target.probes) {
    const std::string request = guideway::IdentityOf(probe.request);
    std::string way;
    if (probe.request.via) {
      way = probe.request.via->Identity();
      if (way.empty()) way = "that of " + key;
    }
    absl::StrAppend(&asked, request.size(), ":", request, way.size(), ":", way);
  }
  return asked;
}

// As it may be kept on disk: what is asked may hold secrets.
std::string DigestOf(const std::string& text) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof(digest) / 2));
}

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

void Prober::SetTargets(const std::map<std::string, BackendProbes>& targets) {
  for (auto& [key, entry] : entries_) entry.in_use = false;
  for (auto& [identity, check] : checks_) check->subscribers.clear();
  const absl::Duration now = loop_->Now();
  std::unordered_map<std::string, const Entry*> by_identity;
  for (const auto& [key, entry] : entries_) {
    if (entry.health.state() != HealthState::kUnknown) by_identity[entry.identity] = &entry;
  }
  std::map<std::string, std::vector<std::string>> identities;
  for (const auto& [key, target] : targets) {
    const auto [it, is_new] = entries_.try_emplace(key, now);
    Entry& entry = it->second;
    entry.in_use = true;
    std::vector<BackendHealth::ProbeSetting> settings;
    for (const ProbeTarget& probe : target.probes) {
      settings.push_back({IdentityOf(probe, key), LabelOf(probe.request), probe.rise, probe.fall});
    }
    std::string asked = AskedBy(target, key);
    if (asked != entry.asked) {
      entry.identity = DigestOf(asked);
      entry.asked = std::move(asked);
    }
    if (is_new) TakeOver(&entry, by_identity);
    entry.health.SetProbes(settings, target.any_suffices, now);
    for (const auto& setting : settings) identities[key].push_back(setting.identity);
  }
  Forget();
  unknown_count_ = static_cast<size_t>(std::count_if(
      entries_.begin(), entries_.end(), [](const auto& item) { return item.second.unsure(); }));
  not_run_.clear();
  for (const auto& [key, entry] : entries_) NoteNotRun(key, entry.health);
  for (const auto& [key, target] : targets) {
    if (target.paused) continue;
    for (size_t i = 0; i < target.probes.size(); ++i) {
      Subscribe(key, target.probes[i], identities[key][i], &entries_.at(key), i);
    }
  }
  for (auto it = checks_.begin(); it != checks_.end();) {
    if (!it->second->subscribers.empty()) {
      ++it;
      continue;
    }
    loop_->Cancel(it->second->timer);
    it = checks_.erase(it);
  }
}

void Prober::Subscribe(const std::string& key, const ProbeTarget& target,
                       const std::string& identity, Entry* entry, size_t place) {
  const auto [it, is_new] = checks_.try_emplace(identity);
  if (is_new) it->second = std::make_unique<Check>();
  Check* check = it->second.get();
  check->target = target;  // the way may be another object
  check->subscribers.push_back({key, entry, place});
  if (is_new) Schedule(check, UnknownInterval(*check) * Random(0, 1));
}

void Prober::TakeOver(Entry* entry,
                      const std::unordered_map<std::string, const Entry*>& by_identity) {
  if (const auto found = by_identity.find(entry->identity); found != by_identity.end()) {
    entry->health = found->second->health;
    entry->last_result = found->second->last_result;
    entry->kept = true;
    entry->assumed = found->second->assumed;
  } else if (const auto known = known_.find(entry->identity);
             known != known_.end() && loop_->Now() - known->second.last_result <= kOldestVerdict) {
    entry->health.Assume(known->second.state);
    entry->last_result = known->second.last_result;
    entry->kept = entry->assumed = true;
  }
}

// Of those that are not there any more the verdict stays, for a time.
void Prober::Forget() {
  for (const auto& [key, entry] : entries_) {
    if (entry.in_use || entry.health.state() == HealthState::kUnknown) continue;
    known_[entry.identity] = {entry.health.state(), entry.last_result};
  }
  std::erase_if(entries_, [](const auto& item) { return !item.second.in_use; });
  for (const auto& [key, entry] : entries_) known_.erase(entry.identity);
  std::erase_if(known_, [this](const auto& item) {
    return loop_->Now() - item.second.last_result > kOldestVerdict;
  });
}

void Prober::Remember(std::vector<Verdict> verdicts) {
  for (Verdict& verdict : verdicts) {
    if (verdict.age > kOldestVerdict) continue;
    known_[std::move(verdict.identity)] = {
        verdict.healthy ? HealthState::kHealthy : HealthState::kUnhealthy,
        loop_->Now() - verdict.age};
  }
}

std::vector<Verdict> Prober::Verdicts() const {
  std::vector<Verdict> verdicts;
  const absl::Duration now = loop_->Now();
  std::set<absl::string_view> told;
  for (const auto& [key, entry] : entries_) {
    if (entry.health.state() == HealthState::kUnknown) continue;
    if (!told.insert(entry.identity).second) continue;
    verdicts.push_back(
        {entry.identity, entry.health.state() == HealthState::kHealthy, now - entry.last_result});
  }
  for (const auto& [identity, known] : known_) {
    if (told.contains(identity)) continue;
    verdicts.push_back({identity, known.state == HealthState::kHealthy, now - known.last_result});
  }
  return verdicts;
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
      LOG(WARNING) << "probe of " << subscriber.key << " not run: " << result.reason;
    }
    NoteNotRun(subscriber.key, health);
    if (on_result_) on_result_(subscriber.key, result.outcome, loop_->Now() - check.started);
    if (!changes) continue;
    changed.push_back(subscriber.key);
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
