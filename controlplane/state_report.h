// What the controller knows, as the API's messages.
#ifndef GUIDEWAY_CONTROLPLANE_STATE_REPORT_H_
#define GUIDEWAY_CONTROLPLANE_STATE_REPORT_H_

#include <map>
#include <optional>
#include <string>

#include "controlplane/api/guideway_service.pb.h"
#include "controlplane/compiler/compiler.h"
#include "controlplane/health/probe_statistics.h"
#include "controlplane/health/prober.h"
#include "controlplane/health/settling.h"
#include "controlplane/health_guards.h"
#include "controlplane/passive_health.h"
#include "controlplane/session/session.h"
#include "controlplane/state_cursor.h"
#include "controlplane/update_latency.h"

namespace guideway {

// A view on the controller's parts for one call. Thread safety: loop thread only.
struct StateReport {
  const v1::Config& config;
  const Compiled& compiled;
  const Prober& prober;
  const ProbeStatistics& probe_statistics;
  const Settling& settling;
  const PassiveHealth& passive;
  const HealthGuards& guards;
  const Session& session;
  const channel::CountersRegion* counters;  // null: none read yet
  // In force when the counters were read: an index may have another owner by now. Null: not known,
  // as after a start, when indices are as they were kept.
  const Tables* counted_tables;
  const std::string& keep_problem;   // of the backend indices; empty: none
  std::string index_damage;          // what was damaged of them; empty: nothing
  const bool probes_are_set_anew;    // those of a new configuration, in turns
  const std::string& probe_problem;  // of probes through the tunnel; empty: none
  const UpdateLatency& update_latency;
  // Since when tables have waited to come into force; absent: none do.
  std::optional<absl::Duration> behind_since;
  absl::Duration now;     // EventLoop::Now()
  uint64_t config_epoch;  // changes with config; not 0

  void FillState(v1::GetStateResponse* state) const;
  // Goes on from `cursor` by at most `count` backends and VIPs; true when all is in. Begins anew if
  // the configuration is another one by now.
  bool FillStatePart(int count, StateCursor* cursor, v1::GetStateResponse* state) const;
  // Those two of a name; nothing if there is none.
  void FillVipNamed(const std::string& name, v1::VipState* state) const;
  void FillBackendNamed(const std::string& pool, const std::string& name,
                        v1::BackendState* state) const;
  void FillStatus(v1::GetStatusResponse* status) const;
  // Indices of the VIPs that the counters are of, by name.
  std::map<std::string, uint32_t> CountedVips() const;

 private:
  bool IsCountedVip(uint32_t index) const;
  bool IsCountedBackend(uint16_t index) const;
  const CompiledPool& CompiledOf(const std::string& pool) const;  // empty: not compiled yet
  // Of those that are meant to take flows: a removed or drained backend is no trouble. Empty: none.
  std::string NotProbed() const;
  void FillPool(const v1::Pool& pool, v1::PoolState* state) const;  // without backends
  void FillVip(const v1::Vip& vip, v1::VipState* state) const;
  void FillBackend(const v1::Pool& pool, const v1::Backend& backend, const std::string& key,
                   const CompiledPool& compiled_pool, v1::BackendState* state) const;
  void FillEjection(const std::string& key, v1::BackendState* state) const;
  void FillUnreachable(const CompiledBackend& compiled_backend, v1::BackendState* state) const;
};

// `vips`: name to index.
v1::GetStatsResponse MakeStats(const channel::CountersRegion& counters,
                               const channel::Welcome& welcome,
                               const std::map<std::string, uint32_t>& vips);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_STATE_REPORT_H_
