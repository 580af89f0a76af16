// What stands between the probes' verdicts and their effects: operators' orders, failures that many
// backends have in common, the limit on ejections, and whether VIPs are to be announced.
//
// Who asks for a backend's health asks here.
//
// A configuration and its probed backends take effect step by step. Between two steps, and if they
// are given up for newer ones, each pool, VIP and backend is wholly as before or as now, and all of
// the below may be called. Who decides about tables or announcing waits for the end. Thread safety:
// loop thread only, but for WriteOrders().
#ifndef GUIDEWAY_CONTROLPLANE_HEALTH_GUARDS_H_
#define GUIDEWAY_CONTROLPLANE_HEALTH_GUARDS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "controlplane/api/guideway_service.pb.h"
#include "controlplane/health/announcing.h"
#include "controlplane/health/common_failures.h"
#include "controlplane/health/ejection_limiter.h"
#include "controlplane/health/overrides.h"
#include "controlplane/health/prober.h"
#include "controlplane/pools_by_name.h"
#include "controlplane/state_file.h"

namespace guideway {

class HealthGuards {
 public:
  // `prober` is borrowed. Forced health is kept in DIRECTORY/health-overrides.
  HealthGuards(const Prober* prober, const std::string& directory);

  // Asked about a backend (by key); an unreachable one counts as not healthy for VIPs.
  void set_is_unreachable(std::function<bool(const std::string& key)> is_unreachable) {
    is_unreachable_ = std::move(is_unreachable);
  }
  // What was kept. Damage is named in FillStatus() and no error: if nothing can be used health is
  // as probed.
  void Load();
  // After the prober has its targets.
  void SetConfig(const v1::Config& config);
  // The same step by step, until StepConfig() returns false. Gives up what goes on. `config`
  // outlives the steps and stays as it is so long.
  void BeginConfig(const v1::Config* config);
  bool StepConfig();
  // The same, of the backends that `targets` has by key, which are of these pools, or linger and
  // were of these; until StepProbes() returns false. What is pointed to outlives the steps.
  void BeginProbes(const ProbeTargets* targets,
                   const std::map<std::string, std::string>* configured,
                   const std::map<std::string, std::string>* lingering);
  bool StepProbes(absl::Duration now);
  // What a probe that began at `began` has told, and what a backend's state has become by it.
  void OnAnswer(const std::string& key, absl::Duration began, absl::Duration now);
  void OnVerdict(const std::string& key, absl::Duration now);
  // See CommonFailures; with what ejection_limit holds.
  std::string AppendHolds(absl::Duration now, const std::string& after, size_t count,
                          std::vector<CommonFailures::AddressHold>* holds) const;
  void RememberHolds(const std::vector<CommonFailures::AddressHold>& holds, absl::Duration now);
  // About every second. Pools whose tables may be others by now for what the above have done.
  std::set<std::string> TakeChanged(absl::Duration now);
  // Lets time and verdicts take effect. Before health is used for tables.
  void Update(absl::Duration now);
  // Decides about announcing the VIPs of a pool that is not settling. After Update(), and after
  // tables were made: reachability counts.
  void UpdateVips(const v1::Pool& pool);
  // When Update() is due though no verdict has come; InfiniteDuration(): never.
  absl::Duration NextUpdate() const { return limiter_.NextRoom(); }

  // Health as it takes effect, by backend key.
  HealthState HealthOf(const std::string& key) const;
  bool IsForced(const std::string& key) const { return forced_.contains(key); }
  // Its known flows stay even if it is unhealthy by its probes. An order ends that.
  bool KeepsFlows(const std::string& key) const {
    return !IsForced(key) && common_.KeepsFlows(key);
  }
  // Nobody of the pool is healthy, by the probes or by hand, and verdicts are held.
  bool HoldsWholePool(const v1::Pool& pool) const;
  bool IsPaused(const std::string& pool) const { return overrides_.IsPaused(pool); }
  bool IsAnnounced(const std::string& vip) const { return announcing_.IsAnnounced(vip); }

  // An order: NOT_FOUND; FAILED_PRECONDITION. `change`: in words; empty: none. Forced health is in
  // force at once, and is to be kept: WriteOrders() of OrdersText(), then OrdersKept() with what
  // came of it, which says what is to be answered.
  absl::Status Force(const v1::Config& config, const v1::ForceHealthRequest& request,
                     std::string* change);
  absl::Status Pause(const v1::Config& config, const v1::PauseProbesRequest& request,
                     std::string* change);

  std::string OrdersText() const { return overrides_.ToText(); }
  // May take as long as the disk does. On any one thread, after Load().
  absl::Status WriteOrders(const std::string& text) { return state_.Write(text); }
  absl::Status OrdersKept(const absl::Status& kept);
  // Told when a configuration has ended some, so that the others are to be kept. May be null.
  void set_on_orders_forgotten(std::function<void()> on_forgotten) {
    on_forgotten_ = std::move(on_forgotten);
  }

  void FillBackend(const v1::Pool& pool, const v1::Backend& backend, v1::BackendState* state) const;
  void FillVip(const v1::Config& config, const v1::Vip& vip, v1::VipState* state) const;
  void FillStatus(v1::GetStatusResponse* status) const;
  void FillCommonFailures(absl::Duration now, v1::GetStatusResponse* status) const;

 private:
  struct Share {
    uint32_t healthy = 0;
    uint32_t total = 0;  // enabled, with a weight
  };
  // Putting a configuration and its probes in force: where it is.
  struct Change {
    enum Phase : uint8_t { kForced, kForcedKeys, kPaused, kLimits, kOldLimits, kVips, kOldVips };
    Phase phase = kForced;
    const v1::Config* config = nullptr;  // null: nothing is to be done
    PoolsByName pools;
    HealthOverrides::Backend after;  // looked at last
    std::string after_name;          // likewise
    int next = 0;                    // pool or VIP
    std::map<std::string, std::vector<std::string>> vips_of_pool;

    void Next(Phase next_phase);
  };
  struct ProbesChange {
    const ProbeTargets* targets = nullptr;
    const std::map<std::string, std::string>* configured = nullptr;  // pools by key
    const std::map<std::string, std::string>* lingering = nullptr;   // likewise
    ProbeTargets::const_iterator next;
  };
  void StepForced();
  void StepForcedKeys();
  void StepPaused();
  void StepLimits();
  void StepOldLimits();
  void StepVips();
  bool StepOldVips();
  HealthState Probed(const std::string& key) const;
  Share ShareOf(const v1::Pool& pool) const;

  const Prober* prober_;
  KeptState state_;
  HealthOverrides overrides_;
  std::map<std::string, bool> forced_;  // to healthy?, by backend key
  std::map<std::string, std::vector<std::string>> vips_of_pool_;
  CommonFailures common_;
  EjectionLimiter limiter_;
  std::set<std::string> long_held_;  // pools, as last told by TakeChanged()
  absl::Duration now_;               // of the last Update()
  Announcing announcing_;
  std::function<bool(const std::string& key)> is_unreachable_;  // null: nobody is
  std::function<void()> on_forgotten_;                          // may be null
  bool forgotten_ = false;  // some orders, and nobody has been told
  std::string problem_;
  std::string damage_;  // of what was kept, until it is written anew
  Change change_;
  ProbesChange probes_change_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_HEALTH_GUARDS_H_
