// Filling the API's messages.
#include "controlplane/state_report.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controlplane/events.h"
#include "google/protobuf/util/field_mask_util.h"
#include "lib/base/clock.h"
#include "lib/channel/text_of.h"
#include "lib/config/pool_probes.h"

namespace guideway {
namespace {

// FillStatePart() looks at the clock before each pool and each so many backends.
constexpr int kLookAtClock = 16;

void Fill(const channel::TrafficValues& values, v1::Traffic* traffic) {
  traffic->set_packets(values.packets);
  traffic->set_bytes(values.bytes);
  traffic->set_new_flows(values.new_flows);
}

void Fill(const channel::BackendFlowValues& values, v1::FlowCounts* flows) {
  const auto of = [&](BackendCounter counter) {
    return values.counters[static_cast<size_t>(counter)];
  };
  flows->set_active_flows(values.active_flows);
  flows->set_syn_retransmissions(of(BackendCounter::syn_retransmissions));
  flows->set_unanswered_flows(of(BackendCounter::unanswered_flows));
  flows->set_client_resets(of(BackendCounter::client_resets));
  flows->set_overflowed_flows(of(BackendCounter::overflowed_flows));
  flows->set_over_limit_flows(of(BackendCounter::over_limit_flows));
}

void Fill(const channel::OtherVerdictValues& values, v1::OtherVerdicts* others) {
  others->set_to_kernel_packets(values.to_kernel_packets);
  others->set_answered_packets(values.answered_packets);
  uint64_t total = 0;
  for (size_t i = 0; i < kDropReasonCount; ++i) {
    if (values.drops[i] == 0) continue;
    total += values.drops[i];
    v1::NamedValue* drop = others->add_drops();
    drop->set_name(kDropReasons[i].name);
    drop->set_value(values.drops[i]);
    drop->set_unit("packets");
    drop->set_help(kDropReasons[i].help);
  }
  others->set_drop_total(total);
}

void FillVips(const channel::CountersRegion& counters, const std::map<std::string, uint32_t>& vips,
              v1::GetStatsResponse* stats) {
  for (const auto& [name, index] : vips) {
    v1::VipStats* vip = stats->add_vips();
    vip->set_name(name);
    Fill(counters.vips[index], vip->mutable_traffic());
    Fill(counters.vip_others[index], vip->mutable_others());
  }
  Fill(counters.former_vips, stats->mutable_no_vip()->mutable_traffic());
  Fill(counters.no_vip, stats->mutable_no_vip()->mutable_others());
}

// What bears on a backend's flows beside its own health.
std::vector<std::string> RemarksOn(const v1::Backend& backend, const CompiledPool& pool,
                                   uint32_t fail_open_below, uint32_t slow_start_step) {
  std::vector<std::string> remarks;
  if (!backend.disable_at().empty()) {
    const bool over = backend.state() == v1::DISABLED;
    remarks.push_back(absl::StrCat(over ? "disabled since " : "disabled from ",
                                   backend.disable_at(), over ? "" : " on"));
  }
  if (backend.state() != v1::ENABLED) return remarks;
  if (pool.none_reachable)
    remarks.push_back("no backend of the pool can be reached: all keep theirs");
  if (pool.failed_open) {
    const std::string why = fail_open_below == 0 ? "no backend of the pool is healthy"
                                                 : absl::StrCat("fewer than ", fail_open_below,
                                                                " % of the pool are healthy");
    remarks.push_back(pool.backups_serve == backend.backup()
                          ? absl::StrCat(why, ": all get flows")
                          : "backup: gets none while the pool has failed open");
  } else if (backend.backup()) {
    remarks.push_back(pool.backups_serve ? "backup: in use, no other backend is healthy"
                                         : "backup: waits");
  }
  if (slow_start_step != 0) {
    remarks.push_back(absl::StrCat("slow start: ", slow_start_step, "/", SlowStart::kSteps + 1,
                                   " of its weight"));
  }
  return remarks;
}

// A way that has just come back is not trusted at once.
std::string WayOf(const CompiledBackend& backend) {
  return absl::StrCat(backend.unreachable && backend.reachable ? "just back: " : "",
                      backend.next_hop);
}

}  // namespace

void StateReport::FillState(v1::GetStateResponse* state) const {
  StateCursor cursor;
  FillStatePart(std::numeric_limits<int>::max(), &cursor, state);
}

bool StateReport::FillStatePart(int count, StateCursor* cursor, v1::GetStateResponse* state) const {
  if (cursor->config_epoch != config_epoch) {
    *cursor = StateCursor{.config_epoch = config_epoch};
    state->Clear();
  }
  const absl::Duration end = count == std::numeric_limits<int>::max()
                                 ? absl::InfiniteDuration()
                                 : MonotonicNow() + EventLoop::kTurn;
  const int first = cursor->pool;
  for (; cursor->pool < config.pools_size(); ++cursor->pool, cursor->backend = 0) {
    if (cursor->pool > first && MonotonicNow() >= end) return false;
    const v1::Pool& pool = config.pools(cursor->pool);
    if (state->pools_size() == cursor->pool) FillPool(pool, state->add_pools());
    const CompiledPool& compiled_pool = CompiledOf(pool.name());
    v1::PoolState* pool_state = state->mutable_pools(cursor->pool);
    for (; cursor->backend < pool.backends_size(); ++cursor->backend) {
      if (count-- <= 0 || (count % kLookAtClock == 0 && MonotonicNow() >= end)) return false;
      const v1::Backend& backend = pool.backends(cursor->backend);
      const std::string key = BackendKey(pool.name(), backend.name(), backend.address());
      FillBackend(pool, backend, key, compiled_pool, pool_state->add_backends());
    }
  }
  for (; cursor->vip < config.vips_size(); ++cursor->vip) {
    if (count-- <= 0 || (count % kLookAtClock == 0 && MonotonicNow() >= end)) return false;
    FillVip(config.vips(cursor->vip), state->add_vips());
  }
  return true;
}

const CompiledPool& StateReport::CompiledOf(const std::string& pool) const {
  static const auto* const none = new CompiledPool;
  const auto found = compiled.pools.find(pool);
  return found != compiled.pools.end() ? found->second : *none;
}

void StateReport::FillVipNamed(const std::string& name, v1::VipState* state) const {
  for (const v1::Vip& vip : config.vips()) {
    if (vip.name() == name) FillVip(vip, state);
  }
}

void StateReport::FillBackendNamed(const std::string& pool_name, const std::string& name,
                                   v1::BackendState* state) const {
  for (const v1::Pool& pool : config.pools()) {
    if (pool.name() != pool_name) continue;
    const CompiledPool& compiled_pool = CompiledOf(pool_name);
    for (const v1::Backend& backend : pool.backends()) {
      if (backend.name() != name) continue;
      FillBackend(pool, backend, BackendKey(pool_name, name, backend.address()), compiled_pool,
                  state);
    }
  }
}

void StateReport::FillPool(const v1::Pool& pool, v1::PoolState* state) const {
  // Not by clearing the backends of a copy: there may be 10,000.
  static const auto* const fields = [] {
    using google::protobuf::util::FieldMaskUtil;
    google::protobuf::FieldMask backends;
    backends.add_paths("backends");
    auto* made = new google::protobuf::FieldMask;
    FieldMaskUtil::Subtract<v1::Pool>(FieldMaskUtil::GetFieldMaskForAllFields<v1::Pool>(), backends,
                                      made);
    return made;
  }();
  google::protobuf::util::FieldMaskUtil::MergeMessageTo(pool, *fields, {}, state->mutable_pool());
  state->set_probes_paused(guards.IsPaused(pool.name()));
  const auto found = compiled.pools.find(pool.name());
  state->set_settling(found == compiled.pools.end() || settling.IsSettling(pool.name()));
  if (found == compiled.pools.end()) return;
  state->set_held(!found->second.failed_open && guards.HoldsWholePool(pool));
  state->set_failed_open(found->second.failed_open || state->held());
  state->set_backups_serve(found->second.backups_serve);
  state->set_table_digest(absl::StrCat(absl::Hex(found->second.digest->value(), absl::kZeroPad16)));
}

bool StateReport::IsCountedVip(uint32_t index) const {
  if (counters == nullptr) return false;
  if (counted_tables == nullptr) return true;
  const channel::VipBody* then = counted_tables->vips.Find(index);
  const channel::VipBody* current = compiled.tables.vips.Find(index);
  return then != nullptr && current != nullptr && then->address == current->address &&
         then->port == current->port && then->protocol == current->protocol;
}

bool StateReport::IsCountedBackend(uint16_t index) const {
  if (counters == nullptr) return false;
  if (counted_tables == nullptr) return true;
  const channel::BackendBody* then = counted_tables->backends.Find(index);
  const channel::BackendBody* current = compiled.tables.backends.Find(index);
  return then != nullptr && current != nullptr && then->incarnation == current->incarnation;
}

std::map<std::string, uint32_t> StateReport::CountedVips() const {
  std::map<std::string, uint32_t> counted;
  for (const auto& [name, index] : compiled.vip_indices) {
    if (IsCountedVip(index)) counted.emplace(name, index);
  }
  return counted;
}

void StateReport::FillVip(const v1::Vip& vip, v1::VipState* state) const {
  *state->mutable_vip() = vip;
  guards.FillVip(config, vip, state);
  const auto index = compiled.vip_indices.find(vip.name());
  if (index == compiled.vip_indices.end() || !IsCountedVip(index->second)) return;
  Fill(counters->vips[index->second], state->mutable_traffic());
  Fill(counters->vip_others[index->second], state->mutable_others());
}

void StateReport::FillBackend(const v1::Pool& pool, const v1::Backend& backend,
                              const std::string& key, const CompiledPool& compiled_pool,
                              v1::BackendState* state) const {
  *state->mutable_backend() = backend;
  const BackendHealth* health = prober.Find(key);
  std::string reason;
  if (health != nullptr) {
    state->set_health(ToProto(health->state()));
    state->set_health_age_ms(static_cast<uint64_t>(
        std::max<int64_t>(0, absl::ToInt64Milliseconds(now - health->since()))));
    reason = health->reason();
  } else if (HasProbes(pool) && (backend.state() == v1::DISABLED || probes_are_set_anew)) {
    state->set_health(v1::HEALTH_UNKNOWN);
    reason = backend.state() == v1::DISABLED ? "not probed while disabled" : "to be probed soon";
  } else {
    state->set_health(v1::HEALTH_UNPROBED);
    if (HasProbes(pool)) reason = "not probed while no VIP leads to the pool";
  }
  const auto found = compiled.backends.find(key);
  const bool known = found != compiled.backends.end();
  for (const std::string& remark : RemarksOn(backend, compiled_pool, pool.fail_open_below(),
                                             known ? found->second.slow_start_step : 0)) {
    absl::StrAppend(&reason, reason.empty() ? "" : "; ", remark);
  }
  state->set_health_reason(reason);
  guards.FillBackend(pool, backend, state);
  if (const ProbeCounts* probes = probe_statistics.Find(key)) {
    state->set_probes_succeeded(probes->succeeded);
    state->set_probes_failed(probes->failed);
    state->set_probes_not_run(probes->not_run);
    state->set_last_probe_us(
        static_cast<uint64_t>(absl::ToInt64Microseconds(probes->last_duration)));
  }
  FillEjection(key, state);
  if (known && found->second.unreachable) FillUnreachable(found->second, state);
  if (!known) return;
  state->set_share(found->second.share);
  state->set_slow_start_step(found->second.slow_start_step);
  state->set_next_hop(session.ready() ? WayOf(found->second) : "data plane not connected");
  state->set_unreachable(!session.ready() || !found->second.reachable || found->second.unreachable);
  if (!IsCountedBackend(found->second.index)) return;
  Fill(counters->backends[found->second.index], state->mutable_traffic());
  Fill(counters->backend_flows[found->second.index], state->mutable_flows());
}

void StateReport::FillEjection(const std::string& key, v1::BackendState* state) const {
  const OutlierDetector::Ejection* ejection = passive.Find(key);
  if (ejection == nullptr) return;
  const bool probes_are_fine =
      state->health() == v1::HEALTH_HEALTHY || state->health() == v1::HEALTH_UNPROBED;
  if (probes_are_fine) state->set_health(v1::HEALTH_EJECTED);
  const absl::Duration left = std::max(absl::ZeroDuration(), ejection->until - now);
  state->set_ejected_for_ms(static_cast<uint64_t>(absl::ToInt64Milliseconds(left)));
  state->set_ejections(ejection->times);
  state->set_health_reason(absl::StrCat(
      "ejected for ", absl::FormatDuration(absl::Ceil(left, absl::Seconds(1))), " more: ",
      ejection->reason, state->health_reason().empty() ? "" : "; probe: ", state->health_reason()));
}

// A disabled one is not meant to get anything.
void StateReport::FillUnreachable(const CompiledBackend& compiled_backend,
                                  v1::BackendState* state) const {
  if (state->backend().state() == v1::DISABLED) return;
  const std::string why = compiled_backend.reachable
                              ? std::string("its way has just come back")
                              : absl::StrCat("no way to it: ", compiled_backend.next_hop);
  state->set_health_reason(
      absl::StrCat(why, state->health_reason().empty() ? "" : "; probe: ", state->health_reason()));
}

v1::GetStatsResponse MakeStats(const channel::CountersRegion& counters,
                               const channel::Welcome& welcome,
                               const std::map<std::string, uint32_t>& vips) {
  v1::GetStatsResponse stats;
  for (size_t i = 0; i < kCounterCount; ++i) {
    v1::NamedValue* counter = stats.add_counters();
    counter->set_name(kCounters[i].name);
    counter->set_value(counters.total.counters[i]);
    counter->set_unit(kCounters[i].unit);
    counter->set_help(kCounters[i].help);
  }
  for (size_t i = 0; i < kDropReasonCount; ++i) {
    v1::NamedValue* drop = stats.add_drops();
    drop->set_name(kDropReasons[i].name);
    drop->set_value(counters.total.drops[i]);
    drop->set_unit("packets");
    drop->set_help(kDropReasons[i].help);
  }
  stats.set_drop_total(counters.total.TotalDrops());
  stats.set_balanced(counters.total.Balanced());
  stats.set_generation(counters.generation);
  stats.set_flow_capacity(counters.flow_capacity);
  for (uint32_t i = 0; i < welcome.port_count; ++i) {
    const channel::CountersRegion::Port& values = counters.ports[i];
    v1::PortStats* port = stats.add_ports();
    port->set_name(channel::TextOf(welcome.ports[i].name));
    port->set_received_packets(values.received_packets);
    port->set_sent_packets(values.sent_packets);
    port->set_receive_missed(values.receive_missed);
    port->set_receive_errors(values.receive_errors);
    port->set_from_kernel_packets(values.from_kernel_packets);
    port->set_kernel_twin_lost_packets(values.kernel_twin_lost_packets);
  }
  for (uint32_t i = 0; i < welcome.worker_count; ++i) {
    const CounterValues& values = counters.workers[i];
    v1::WorkerStats* worker = stats.add_workers();
    worker->set_worker(i);
    worker->set_received_packets(values[Counter::received_packets]);
    worker->set_forwarded_packets(values[Counter::forwarded_packets]);
    worker->set_to_kernel_packets(values[Counter::to_kernel_packets]);
    worker->set_answered_packets(values[Counter::answered_packets]);
    worker->set_drop_total(values.TotalDrops());
    worker->set_busy_ns(counters.worker_busy_ns[i]);
  }
  FillVips(counters, vips, &stats);
  return stats;
}

}  // namespace guideway
