// Tells a backend's own failure from one that many have in common, as when the probes' way is cut.
//
// A backend that turns unhealthy has failed alone if the prober has had a good answer from another
// backend of its pool since: then it goes out at once. If nobody of the pool answers, the backend
// is held: it goes on counting as healthy, so that no slot moves and no flow is cut, and those that
// were dead before stay out. If somebody answers, but many failed at once, new flows go elsewhere
// and known ones stay for a while, also if the others come back first. When a held pool's first
// backend answers again, each other one is held until it answers or has failed as often again as a
// verdict takes; then its known flows stay for a while as well.
//
// A backend that finishes its flows (it lingers: it has left the configuration, or no VIP leads to
// its pool any more) counts like the others of its pool. Where only such are left of a pool, they
// are held no longer than until somebody who is configured answers, in whatever pool, or nobody is
// there who could: who is taken out of service and stopped must not hold its flows for good.
//
// A backend that is new takes over what is held or kept of its address: that another name or pool
// has, or that was kept over a restart.
//
// A pure bookkeeper: answers, verdicts and monotonic time are passed in. Costs little for each
// answer. Thread safety: one thread.
#ifndef GUIDEWAY_CONTROLPLANE_HEALTH_COMMON_FAILURES_H_
#define GUIDEWAY_CONTROLPLANE_HEALTH_COMMON_FAILURES_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/node_hash_map.h"
#include "absl/time/time.h"
#include "controlplane/health/state_machine.h"

namespace guideway {

class CommonFailures {
 public:
  // Many at once: so many addresses, and this share of the pool's backends or of all addresses.
  static constexpr uint32_t kManyAddresses = 2;
  static constexpr uint32_t kManyPercent = 25;
  static constexpr absl::Duration kRememberFor = absl::Minutes(1);

  struct Member {
    std::string pool;
    std::string address;   // a server is one, in however many pools it is
    uint32_t fall = 3;     // failures that make a verdict
    absl::Duration round;  // the longest time in which its probes have another result
    HealthState verdict = HealthState::kUnknown;  // of one that was not there before
    bool lingers = false;
  };
  // What is kept over a restart.
  struct AddressHold {
    std::string address;
    bool held = false;         // else known flows stay
    absl::Duration left = {};  // for so long; held: zero
    bool limited = false;      // instead: of this key, for ejection_limit, see EjectionLimiter
  };
  // What is going on in a pool.
  struct Episode {
    std::string pool;
    size_t backends = 0;  // in service before, and probed
    size_t held = 0;      // count as healthy
    size_t kept = 0;      // get no new flows, keep the known ones
    absl::Duration since;
    bool long_held = false;  // the bound has passed
  };

  // The probed backends by key; of those that stay all is kept. `bound`: how long known flows stay
  // of many that fail at once, and for how long a held pool counts as healthy for whoever announces
  // it; zero switches all of this off.
  void SetMembers(const std::map<std::string, Member>& members, absl::Duration bound,
                  absl::Duration now);
  // The same one by one, for whoever has thousands: all of the above and below may be called in
  // between, and it may begin anew. Who is not set between BeginMembers() and the end goes.
  // There will be some `count`.
  void BeginMembers(size_t count, absl::Duration bound);
  void SetMember(const std::string& key, Member member, absl::Duration now);
  // After the last one: takes one away, or does the rest; false: all is done.
  bool EndMembers(absl::Duration now);
  // Appends the holds of at most `count` addresses behind `after` (empty: from the first one).
  // Returns the address to go on from; empty: all are in.
  std::string AppendHolds(absl::Duration now, const std::string& after, size_t count,
                          std::vector<AddressHold>* holds) const;
  // What AppendHolds() said before a restart. It applies to who becomes a member within
  // kRememberFor, once.
  void Remember(const std::vector<AddressHold>& holds, absl::Duration now);
  // A probe that began at `began` has told something of a backend, which is failing by now or not.
  void OnAnswer(const std::string& key, bool failing, absl::Duration began, absl::Duration now);
  // After the answer that made it. Not the first verdict of all: that is SetMembers()' or a
  // backend's that was never in service.
  void OnVerdict(const std::string& key, HealthState verdict, absl::Duration now);
  // Lets time take effect; to be called about every second while Busy().
  void Update(absl::Duration now);
  bool Busy() const { return !undecided_.empty(); }

  bool IsHeld(const std::string& key) const { return HoldOf(key) == Hold::kHeld; }
  // Though it counts as unhealthy.
  bool KeepsFlows(const std::string& key) const { return HoldOf(key) != Hold::kNone; }
  // Likewise, as it failed with many: not only for the probe round that shows whether it did.
  bool IsKept(const std::string& key) const { return HoldOf(key) == Hold::kKept; }
  // A held pool whose bound has passed: for announcing, verdicts count.
  bool IsLongHeld(const std::string& key, absl::Duration now) const;
  // Held, and none of the pool is healthy.
  bool HoldsWholePool(const std::string& pool) const;
  // Without those that linger, wait for others' answers, or that `is_spared` (null: none are).
  std::vector<Episode> Episodes(
      absl::Duration now,
      const std::function<bool(const std::string& key)>& is_spared = nullptr) const;
  // Names of the pools of which any of the above has changed since the last call.
  std::set<std::string> TakeChanged() { return std::exchange(changed_, {}); }

 private:
  enum class Hold : uint8_t {
    kNone,
    kHeld,     // counts as healthy
    kKept,     // many failed at once: known flows stay
    kWaiting,  // as kKept, until others have had the time to answer, or to fail as well
  };
  // Of those that do not linger.
  struct Configured {
    size_t members = 0, in_service = 0;
    size_t healthy = 0;  // by the probes' verdicts
    size_t held = 0;
  };
  struct Pool {
    absl::Duration latest_good = -absl::InfiniteDuration();  // when a good probe began
    size_t members = 0;
    Configured configured;
    size_t in_service = 0, failing = 0;       // the latter: of the former
    size_t healthy = 0;                       // by the probes' verdicts
    size_t held = 0, kept = 0;                // kept: waiting ones as well
    size_t most_held = 0;                     // at once, since then:
    absl::Duration since;                     // of the first that is held or kept
    std::optional<absl::Duration> recovered;  // the first good answer of a held pool
    uint32_t recoveries = 0;                  // counts these
  };
  struct Address {
    size_t in_service = 0, failing = 0;
  };
  struct State {
    Member member;
    uint64_t round = 0;  // of setting members, in which it was set last
    HealthState verdict = HealthState::kUnknown;
    bool in_service = false;                // was healthy, and has not gone out since
    std::optional<absl::Duration> failing;  // since when that is known
    Hold hold = Hold::kNone;
    absl::Duration kept_until;                  // once kept; zero when healthy
    absl::Duration waits_until;                 // at the latest, since the verdict
    std::optional<absl::Duration> alone_since;  // held, and others of other pools answer
    uint32_t recovery = 0, failures_since = 0;  // the pool's recovery, failed probes since it
  };

  Hold HoldOf(const std::string& key) const;
  void Inherit(const std::string& key, State* state, absl::Duration now);
  void Decide(const std::string& key, State* state, absl::Duration now);
  void HoldOthers(const std::string& pool, absl::Duration now);
  void CountFailure(const std::string& key, State* state, absl::Duration began, absl::Duration now);
  bool ManyFail(const State& state) const;
  // Nobody of the pool is configured any more, and somebody else who is has answered a probe that
  // began after `since`, or nobody is there who could.
  bool IsAlone(const Pool& pool, absl::Duration since) const {
    if (pool.configured.members != 0) return false;
    const bool others_answer = latest_good_ >= since && configured_.healthy > 0;
    return others_answer || configured_.in_service == 0;
  }
  void UpdateHeld(const std::string& key, State* state, absl::Duration now);
  // All changes of these go by here, so that the sums are right.
  void SetHold(const std::string& key, State* state, Hold hold, absl::Duration now);
  void SetInService(State* state, bool in_service);
  void SetFailing(State* state, std::optional<absl::Duration> since);
  void SetVerdict(State* state, HealthState verdict);
  void Count(const State& state, int sign);
  void CountConfigured(const State& state, int sign);
  void Remove(const std::string& key, absl::Duration now);

  absl::Duration bound_;
  uint64_t round_ = 0;      // of setting members
  size_t set_members_ = 0;  // in this round
  std::vector<std::string> gone_;
  bool gone_known_ = false;                         // of this round
  absl::node_hash_map<std::string, State> states_;  // growing moves no state
  absl::flat_hash_map<std::string, Pool> pools_;
  absl::flat_hash_map<std::string, Address> addresses_;
  size_t addresses_in_service_ = 0, addresses_failing_ = 0;
  Configured configured_;                                   // of all pools
  absl::Duration latest_good_ = -absl::InfiniteDuration();  // likewise
  std::set<std::string> undecided_;                         // keys with a hold
  std::map<std::string, std::set<std::string>> undecided_of_address_;
  struct Remembered {
    bool held = false;
    absl::Duration kept_until;
  };
  std::map<std::string, Remembered> remembered_;  // by address; not applied yet
  absl::Duration remembered_until_;
  std::set<std::string> changed_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_HEALTH_COMMON_FAILURES_H_
