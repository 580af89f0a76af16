// Backends whose ways to the prober are cut and mended, for the tests of common failures.
#ifndef GUIDEWAY_TESTS_UNIT_CONTROLPLANE_COMMON_FAILURES_WORLD_H_
#define GUIDEWAY_TESTS_UNIT_CONTROLPLANE_COMMON_FAILURES_WORLD_H_

#include <catch2/catch.hpp>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controlplane/health/common_failures.h"

namespace guideway {

inline constexpr absl::Duration kInterval = absl::Seconds(5);
inline constexpr absl::Duration kTimeout = absl::Seconds(3);
inline constexpr absl::Duration kBound = absl::Seconds(60);

// Backends with default probes, whose ways to the prober are cut and mended. Runs in steps of a
// second; the backends' probes are spread over the interval.
class World {
 public:
  struct Backend {
    std::string key;
    std::string pool;
    bool answers = true;
    bool lingers = false;
    bool paused = false;
    uint32_t fall = 3;
    absl::Duration interval = kInterval;
    absl::Duration next;
    uint32_t good = 0, bad = 0;
    HealthState verdict = HealthState::kHealthy;
    std::optional<absl::Duration> ends;  // of the probe that runs
    absl::Duration began;
  };

  explicit World(absl::Duration bound = kBound) : bound_(bound) {}

  // Address: the key's last part.
  Backend& Add(const std::string& pool, const std::string& address, uint32_t fall = 3,
               HealthState verdict = HealthState::kHealthy) {
    Backend backend;
    backend.key = absl::StrCat(pool, "/", address);
    backend.pool = pool;
    backend.fall = fall;
    backend.verdict = verdict;
    backend.next = absl::Seconds(static_cast<int>(backends_.size() * 2 % 5));
    backends_.push_back(backend);
    SetMembers();
    return backends_.back();
  }
  Backend& operator[](const std::string& key) {
    for (Backend& backend : backends_) {
      if (backend.key == key) return backend;
    }
    throw std::out_of_range(key);
  }
  // The process ends, and its successor knows these backends at first, and all after a while.
  void Restart(int seconds, const std::string& known_later) {
    const size_t held = Holds().size();
    BeginAnew(seconds);
    const std::vector<Backend> all = backends_;
    std::erase_if(backends_, [&](const Backend& backend) { return backend.pool == known_later; });
    SetMembers();
    CHECK(Holds().size() == held);
    Run(5);
    backends_ = all;
    SetMembers();
  }
  // Takes a pool's backends out of the configuration.
  void Remove(const std::string& pool) {
    for (Backend& backend : backends_) {
      if (backend.pool == pool) backend.lingers = true;
    }
    SetMembers();
  }
  void Rename(const std::string& from, const std::string& to) {
    for (Backend& backend : backends_) {
      if (backend.pool != from) continue;
      backend.pool = to;
      backend.key = to + backend.key.substr(backend.key.rfind('/'));
    }
    SetMembers();
  }
  // One by one.
  std::vector<CommonFailures::AddressHold> Holds() const {
    std::vector<CommonFailures::AddressHold> holds;
    std::string after;
    do {
      after = failures.AppendHolds(now, after, 1, &holds);
    } while (!after.empty());
    return holds;
  }
  // The process ends; the verdicts and what is held are kept.
  void Restart(int seconds) {
    BeginAnew(seconds);
    SetMembers();
  }
  void SetMembers() {
    std::map<std::string, CommonFailures::Member> members;
    for (const Backend& backend : backends_) {
      members[backend.key] = {.pool = backend.pool,
                              .address = backend.key.substr(backend.key.rfind('/') + 1),
                              .fall = backend.fall,
                              .round = backend.interval * 1.1 + kTimeout,
                              .verdict = backend.verdict,
                              .lingers = backend.lingers};
    }
    failures.SetMembers(members, bound_, now);
  }
  void Run(int seconds) {
    for (int i = 0; i < seconds; ++i) {
      for (Backend& backend : backends_) Step(&backend);
      failures.Update(now);
      now += absl::Seconds(1);
    }
  }
  // Whether it counts as healthy for tables.
  bool Serves(const std::string& key) {
    return failures.IsHeld(key) || (*this)[key].verdict == HealthState::kHealthy;
  }
  bool KeepsFlows(const std::string& key) { return Serves(key) || failures.KeepsFlows(key); }
  void SetAnswers(bool answers) {
    for (Backend& backend : backends_) backend.answers = answers;
  }

  CommonFailures failures;
  absl::Duration now = absl::Seconds(1000);

 private:
  void BeginAnew(int seconds) {
    const auto holds = Holds();
    now += absl::Seconds(seconds);
    failures = CommonFailures();
    failures.Remember(holds, now);
  }
  void Step(Backend* backend) {
    if (backend->paused) return;
    if (!backend->ends.has_value() && now >= absl::Seconds(1000) + backend->next) {
      backend->began = now;
      backend->next += backend->interval;
      backend->ends = backend->answers ? now : now + kTimeout;
    }
    if (!backend->ends.has_value() || now < *backend->ends) return;
    backend->ends.reset();
    backend->good = backend->answers ? backend->good + 1 : 0;
    backend->bad = backend->answers ? 0 : backend->bad + 1;
    failures.OnAnswer(backend->key, backend->bad > 0, backend->began, now);
    HealthState verdict = backend->verdict;
    if (backend->bad >= backend->fall) verdict = HealthState::kUnhealthy;
    if (backend->good >= 2) verdict = HealthState::kHealthy;
    if (verdict == backend->verdict) return;
    backend->verdict = verdict;
    failures.OnVerdict(backend->key, verdict, now);
  }

  const absl::Duration bound_;
  std::vector<Backend> backends_;
};

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_CONTROLPLANE_COMMON_FAILURES_WORLD_H_
