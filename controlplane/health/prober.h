// Probes a set of backends, each at its interval, and keeps the health of each.
//
// A check is what is asked of an address at an interval. Checks that are equal run once, whoever
// wants them; those of one check never overlap. Intervals have jitter. While a backend is unknown,
// its checks are asked again within a second or, if there are many such backends, within 250 us for
// each of them; the same goes for the first check. So a verdict on every backend is there soon
// after start, at a pace that a processor can keep. Verdicts belong to what is asked of which
// address: a backend that comes with another name, or comes back, has the verdict that is known of
// it, until its next results confirm or change it.
//
// Ten thousand targets cannot be replaced in one turn of the loop, so it is done step by step.
// Between two steps, and if a replacement is given up for a newer one, this is true:
// - Each backend is wholly as in the old targets or as in the new ones: its probes, their
//   thresholds and the checks that tell it results belong together.
// - Equal checks are one, each is wanted by somebody, and it is in progress once at most. The check
//   of a backend that stays as it was is not touched: its probe goes on and its next one is due
//   when it was.
// - Checks that nobody wanted before do not run yet. They are started last, so whoever wants to
//   know of the backends before their answers come can be told in between.
// - Backends that go stay until all others are there: who comes with another name finds them.
// Thread safety: loop thread only.
#ifndef GUIDEWAY_CONTROLPLANE_HEALTH_PROBER_H_
#define GUIDEWAY_CONTROLPLANE_HEALTH_PROBER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "controlplane/event_loop.h"
#include "controlplane/health/backend_health.h"
#include "controlplane/health/probe.h"
#include "controlplane/health/probe_gate.h"
#include "controlplane/health/probe_starter.h"

namespace guideway {

struct ProbeTarget {
  ProbeRequest request;
  absl::Duration interval;
  double jitter = 0.1;  // of the interval, either way
  uint32_t rise = 2;
  uint32_t fall = 3;
};

// What a backend is probed with.
struct BackendProbes {
  std::vector<ProbeTarget> probes;
  bool any_suffices = false;  // else all are needed
  bool paused = false;        // not probed; health stays as it is
};
using ProbeTargets = std::map<std::string, BackendProbes>;  // by backend key

// Of an address by its probes, whatever backend of whichever pool asks.
struct Verdict {
  std::string identity;  // 32 hex digits: of the address, the probes and their way
  bool healthy = false;
  absl::Duration age;  // of the last result
};

class Prober {
 public:
  static constexpr absl::Duration kOldestVerdict = absl::Hours(1);

  // Is told of each probe's result, which Find() then has already; changes nothing here.
  using OnResult = std::function<void(const std::string& key, ProbeResult::Outcome outcome,
                                      absl::Duration took)>;

  // `on_change` is called after a backend's state has changed, with the backend's key.
  Prober(EventLoop* loop, std::function<void(const std::string&)> on_change,
         OnResult on_result = nullptr);
  ~Prober();
  Prober(const Prober&) = delete;
  Prober& operator=(const Prober&) = delete;

  // Replaces the targets, all at once. A target whose key stays keeps its health, also if what is
  // probed changes: the next probes will tell.
  void SetTargets(const ProbeTargets& targets);
  // The same step by step, see above: StepTargets() until it returns false, then StepStarts()
  // likewise. `targets` outlives the steps. Gives up a replacement that goes on.
  void BeginTargets(const ProbeTargets* targets);
  bool StepTargets();
  bool StepStarts();
  // What is known of those that are not there now, if it is not older than an hour. Of one that
  // comes, SetTargets() makes its state.
  void Remember(std::vector<Verdict> verdicts);
  // What is known now, of those that are there and of those that were.
  std::vector<Verdict> Verdicts() const;
  // The same in parts: what the next `count` identities behind `after` (empty: from the first one)
  // have is appended. Returns the identity to go on from; empty: these were the last.
  std::string AppendVerdicts(const std::string& after, size_t count,
                             std::vector<Verdict>* verdicts) const;
  // Its unhealthy state has been taken over, and no verdict of its own has come since.
  bool IsKeptUnhealthy(const std::string& key) const;

  // Null for a key that is not probed. Valid until the targets are next replaced, or a step of it.
  const BackendHealth* Find(const std::string& key) const;
  // Keys of those that this host could not probe the last time: their health stays as it was.
  const std::set<std::string>& not_run() const { return not_run_; }
  // How many different checks run.
  size_t check_count() const { return checks_.size(); }
  // How late probes are because this host runs as many as it can.
  absl::Duration Lateness() const { return gate_.Lateness(); }

 private:
  struct Check;
  struct Entry {
    explicit Entry(absl::Duration now) : health(now) {}
    BackendHealth health;
    std::string asked;  // what its probes ask; `identity` is its digest
    std::string identity;
    std::vector<Check*> checks;  // that tell it results, one for each probe; none while paused
    absl::Duration last_result = -absl::InfiniteDuration();
    bool kept = false;     // its state has been taken over and not changed since
    bool assumed = false;  // and no result has confirmed it
    bool unsure() const { return assumed || health.state() == HealthState::kUnknown; }
  };
  struct Known {
    HealthState state = HealthState::kUnknown;
    absl::Duration last_result;
  };
  // What there is of one identity.
  struct Identity {
    std::vector<Entry*> entries;
    std::optional<Known> known;  // of one that is not there any more
  };
  struct Subscriber {
    const std::string* key;  // that of its entry
    Entry* entry;
    size_t probe;  // which of the backend's
  };
  struct Check {
    ProbeTarget target;  // without thresholds, which are each subscriber's
    const std::string* identity = nullptr;
    std::vector<Subscriber> subscribers;
    absl::Duration started;  // when the current or last probe was due
    EventLoop::TimerId timer = 0;
    std::shared_ptr<void> ticket;           // waits for a pass
    std::shared_ptr<ProbeGate::Pass> pass;  // while the probe runs
    std::unique_ptr<Probe> probe;
  };
  // Replacing targets: where it is. Nothing else adds entries or identities meanwhile, but for
  // Remember(), or takes any away.
  struct Replacement {
    enum Phase : uint8_t { kSet, kRemove, kForget } phase = kSet;
    const ProbeTargets* targets = nullptr;  // null: nothing is to be done
    ProbeTargets::const_iterator next_target;
    std::map<std::string, Entry>::iterator next_entry;
    std::map<std::string, Identity>::iterator next_identity;
  };

  void SetTarget(const std::string& key, const BackendProbes& target);
  void SetIdentity(Entry* entry, std::string asked);
  void LeaveIdentity(Entry* entry);
  // What is known of it under another name, or from before.
  void TakeOver(Entry* entry);
  void Subscribe(const std::string& key, const BackendProbes& target,
                 const std::vector<BackendHealth::ProbeSetting>& settings, Entry* entry);
  void Unsubscribe(Entry* entry, const std::vector<Check*>& kept);
  void RemoveNextIfGone();
  void ForgetNextIfOld();
  void Schedule(Check* check, absl::Duration delay);
  void StartProbe(Check* check);
  void Finish(Check* check, const ProbeResult& result);
  void NoteNotRun(const std::string& key, const BackendHealth& health);
  // Keys of those whose state changes.
  std::vector<std::string> Tell(const Check& check, const ProbeResult& result);
  absl::Duration UnknownInterval(const Check& check) const;
  double Random(double from, double to);

  EventLoop* loop_;
  std::function<void(const std::string&)> on_change_;
  OnResult on_result_;
  ProbeGate gate_;
  ProbeStarter starter_;
  std::mt19937_64 random_;
  std::map<std::string, Entry> entries_;
  size_t unknown_count_ = 0;  // of the entries: those that are unsure
  std::map<std::string, Identity> identities_;
  std::set<std::string> not_run_;
  std::unordered_map<std::string, std::unique_ptr<Check>> checks_;  // by identity
  std::unordered_set<Check*> to_start_;                             // those that never ran
  Replacement replacement_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_HEALTH_PROBER_H_
