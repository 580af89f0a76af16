// Replacing what is probed, step by step. See prober.h for what is true between two steps.
#include <openssl/sha.h>

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "controlplane/health/prober.h"

namespace guideway {
namespace {

// What asks the same of an address, at the same times. Checks with a way of their own are shared by
// nobody: their key stands for the way.
std::string CheckIdentity(const ProbeTarget& target, const std::string& request,
                          const std::string& key) {
  return absl::StrCat(request, " every ", absl::ToInt64Nanoseconds(target.interval), " ",
                      target.jitter, " ", target.request.via ? key : "");
}

// Of all that a backend's health is found out by, but for how often and with which thresholds.
void AppendAsked(const ProbeTarget& probe, const std::string& request, const std::string& key,
                 std::string* asked) {
  std::string way;
  if (probe.request.via) {
    way = probe.request.via->Identity();
    if (way.empty()) way = absl::StrCat("that of ", key);
  }
  absl::StrAppend(asked, request.size(), ":", request, way.size(), ":", way);
}

// As it may be kept on disk: what is asked may hold secrets.
std::string DigestOf(const std::string& text) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof(digest) / 2));
}

}  // namespace

void Prober::SetTargets(const ProbeTargets& targets) {
  BeginTargets(&targets);
  while (StepTargets()) {
  }
  while (StepStarts()) {
  }
}

void Prober::BeginTargets(const ProbeTargets* targets) {
  // At once, not again and again in some of the steps.
  checks_.reserve(targets->size());
  to_start_.reserve(targets->size());
  replacement_.phase = Replacement::kSet;
  replacement_.next_target = targets->begin();
  replacement_.targets = targets;
}

bool Prober::StepTargets() {
  if (replacement_.targets == nullptr) return false;
  switch (replacement_.phase) {
    case Replacement::kSet:
      if (replacement_.next_target == replacement_.targets->end()) {
        replacement_.phase = Replacement::kRemove;
        replacement_.next_target = replacement_.targets->begin();
        replacement_.next_entry = entries_.begin();
        return true;
      }
      SetTarget(replacement_.next_target->first, replacement_.next_target->second);
      ++replacement_.next_target;
      return true;
    case Replacement::kRemove:
      if (replacement_.next_entry != entries_.end()) {
        RemoveNextIfGone();
        return true;
      }
      replacement_.phase = Replacement::kForget;
      replacement_.next_identity = identities_.begin();
      return true;
    case Replacement::kForget:
      if (replacement_.next_identity != identities_.end()) {
        ForgetNextIfOld();
        return true;
      }
      replacement_.targets = nullptr;
      return false;
  }
  return false;
}

bool Prober::StepStarts() {
  if (to_start_.empty()) return false;
  Check* check = *to_start_.begin();
  to_start_.erase(to_start_.begin());
  Schedule(check, UnknownInterval(*check) * Random(0, 1));
  return true;
}

void Prober::SetTarget(const std::string& key, const BackendProbes& target) {
  const absl::Duration now = loop_->Now();
  const auto [it, is_new] = entries_.try_emplace(key, now);
  Entry& entry = it->second;
  const bool was_unsure = !is_new && entry.unsure();
  std::vector<BackendHealth::ProbeSetting> settings;
  settings.reserve(target.probes.size());
  std::string asked = target.any_suffices ? "any of " : "all of ";
  for (const ProbeTarget& probe : target.probes) {
    const std::string question = QuestionOf(probe.request);
    const std::string request =
        absl::StrCat(absl::ToInt64Nanoseconds(probe.request.timeout), " ", question);
    AppendAsked(probe, question, key, &asked);
    settings.push_back(
        {CheckIdentity(probe, request, key), LabelOf(probe.request), probe.rise, probe.fall});
  }
  if (asked != entry.asked) SetIdentity(&entry, std::move(asked));
  if (is_new) TakeOver(&entry);
  entry.health.SetProbes(settings, target.any_suffices, now);
  identities_.at(entry.identity).known.reset();  // this backend tells from now on
  unknown_count_ += entry.unsure() ? 1 : 0;
  unknown_count_ -= was_unsure ? 1 : 0;
  NoteNotRun(key, entry.health);
  Subscribe(it->first, target, settings, &entry);
}

void Prober::SetIdentity(Entry* entry, std::string asked) {
  LeaveIdentity(entry);
  entry->identity = DigestOf(asked);
  entry->asked = std::move(asked);
  identities_[entry->identity].entries.push_back(entry);
}

// What was found out stays, for a time, if no other backend tells it.
void Prober::LeaveIdentity(Entry* entry) {
  const auto found = identities_.find(entry->identity);
  if (found == identities_.end()) return;  // it is new
  Identity& identity = found->second;
  std::erase(identity.entries, entry);
  if (!identity.entries.empty()) return;
  if (entry->health.state() != HealthState::kUnknown) {
    identity.known = {entry->health.state(), entry->last_result};
  } else if (!identity.known.has_value()) {
    identities_.erase(found);
  }
}

void Prober::TakeOver(Entry* entry) {
  const Identity& identity = identities_.at(entry->identity);
  for (const Entry* other : identity.entries) {
    if (other == entry || other->health.state() == HealthState::kUnknown) continue;
    entry->health = other->health;
    entry->last_result = other->last_result;
    entry->kept = true;
    entry->assumed = other->assumed;
    return;
  }
  if (!identity.known.has_value()) return;
  if (loop_->Now() - identity.known->last_result > kOldestVerdict) return;
  entry->health.Assume(identity.known->state);
  entry->last_result = identity.known->last_result;
  entry->kept = entry->assumed = true;
}

void Prober::Subscribe(const std::string& key, const BackendProbes& target,
                       const std::vector<BackendHealth::ProbeSetting>& settings, Entry* entry) {
  const size_t count = target.paused ? 0 : settings.size();
  bool same = entry->checks.size() == count;
  for (size_t i = 0; same && i < count; ++i) {
    same = *entry->checks[i]->identity == settings[i].identity;
    // The way may be another object.
    if (same) entry->checks[i]->target.request.via = target.probes[i].request.via;
  }
  if (same) return;
  // The new ones first: a check that it keeps is wanted all the time.
  std::vector<Check*> checks;
  for (size_t i = 0; i < count; ++i) {
    const auto [it, is_new] = checks_.try_emplace(settings[i].identity);
    if (is_new) {
      it->second = std::make_unique<Check>();
      it->second->identity = &it->first;
      it->second->target = target.probes[i];
      to_start_.insert(it->second.get());
    }
    it->second->target.request.via = target.probes[i].request.via;
    checks.push_back(it->second.get());
  }
  Unsubscribe(entry, checks);
  entry->checks = std::move(checks);
  for (size_t i = 0; i < count; ++i) entry->checks[i]->subscribers.push_back({&key, entry, i});
}

// From all its checks. Those that nobody wants then end, but for `kept`.
void Prober::Unsubscribe(Entry* entry, const std::vector<Check*>& kept) {
  for (Check* check : std::set<Check*>(entry->checks.begin(), entry->checks.end())) {
    std::erase_if(check->subscribers,
                  [entry](const Subscriber& subscriber) { return subscriber.entry == entry; });
    if (!check->subscribers.empty() || std::count(kept.begin(), kept.end(), check) > 0) continue;
    loop_->Cancel(check->timer);
    to_start_.erase(check);
    checks_.erase(checks_.find(*check->identity));
  }
  entry->checks.clear();
}

void Prober::RemoveNextIfGone() {
  const auto entry = replacement_.next_entry++;
  auto& target = replacement_.next_target;
  while (target != replacement_.targets->end() && target->first < entry->first) ++target;
  if (target != replacement_.targets->end() && target->first == entry->first) return;
  Unsubscribe(&entry->second, {});
  LeaveIdentity(&entry->second);
  unknown_count_ -= entry->second.unsure() ? 1 : 0;
  not_run_.erase(entry->first);
  entries_.erase(entry);
}

void Prober::ForgetNextIfOld() {
  const auto identity = replacement_.next_identity++;
  const std::optional<Known>& known = identity->second.known;
  if (!known.has_value() || loop_->Now() - known->last_result <= kOldestVerdict) return;
  identity->second.known.reset();
  if (identity->second.entries.empty()) identities_.erase(identity);
}

}  // namespace guideway
