// The tables that follow from configuration, health and next hops, kept up to date.
//
// Changes are noted as they come; Update() compiles what they touch and no more: the pools whose
// backends' health has changed, or everything. Indices of backends and VIPs are on disk before
// tables that use them are handed out. Thread safety: one thread.
#ifndef GUIDEWAY_CONTROLPLANE_TABLE_KEEPER_H_
#define GUIDEWAY_CONTROLPLANE_TABLE_KEEPER_H_

#include <functional>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "controlplane/compiler/backend_registry.h"
#include "controlplane/compiler/compiler.h"
#include "controlplane/compiler/pool_queue.h"
#include "controlplane/update_latency.h"

namespace guideway {

class TableKeeper {
 public:
  // `directory`: where the indices of backends and VIPs are kept.
  explicit TableKeeper(const std::string& directory);

  // Reads the kept indices at `now` (EventLoop::Now()). What cannot be used is a damage() and
  // forgotten.
  void Load(absl::Duration now);

  void ConfigChanged(const v1::Config& config);
  // Anything but health.
  void AllChanged() { all_changed_ = true; }
  // The health of a backend of `pool`, at `now` (monotonic).
  void HealthChanged(const std::string& pool, absl::Duration now);
  bool all_changed() const { return all_changed_; }
  // There is something to do for Update().
  bool changed() const { return all_changed_ || !health_changed_.empty(); }

  // Compiles what has changed. Of pools whose health has changed one at least, and more until
  // `time_is_up` says so; changed() tells whether some are left. After an error all counts as
  // changed. `on_compiled` is called for each pool after it was.
  absl::Status Update(const CompilerInput& input,
                      const std::function<void(const v1::Pool&)>& on_compiled,
                      const std::function<bool()>& time_is_up);

  const Compiled& compiled() const { return compiled_; }
  const BackendRegistry& registry() const { return registry_; }
  // Who of those that linger has no flows, see BackendRegistry; changed() if somebody may go.
  void ObserveFlows(const BackendRegistry::CountFlows& count, absl::Duration now) {
    all_changed_ |= registry_.ObserveFlows(count, now);
  }
  // The data plane is another one.
  void ForgetFlowCounts() { registry_.ForgetCounts(); }
  // Why the indices are not kept; empty: they are.
  const std::string& problem() const { return problem_; }
  // What was damaged of the kept ones, and what came of it; empty: nothing.
  std::string damage() const;
  // The owner says when tables are sent and in force.
  UpdateLatency* latency() { return &latency_; }
  const UpdateLatency& latency() const { return latency_; }

 private:
  absl::Status CompileAll(const CompilerInput& input);

  KeptState state_;
  KeptState vip_state_;
  BackendRegistry registry_;
  Compiler compiler_;
  Compiled compiled_;
  bool all_changed_ = true;                    // since the last Update()
  PoolQueue health_changed_;                   // likewise
  std::map<std::string, int> pool_positions_;  // by name, in the configuration
  std::string problem_;
  std::string damage_;      // of what is kept of backends, beyond repair
  std::string vip_damage_;  // likewise of VIPs
  UpdateLatency latency_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_TABLE_KEEPER_H_
