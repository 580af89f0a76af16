// Filling the API's messages.
#include "controlplane/state_report.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "lib/config/pool_probes.h"

namespace guideway {
namespace {

template <size_t kBytes>
std::string TextOf(const char (&field)[kBytes]) {
  return std::string(field, strnlen(field, kBytes));
}

void Fill(const channel::TrafficValues& values, v1::Traffic* traffic) {
  traffic->set_packets(values.packets);
  traffic->set_bytes(values.bytes);
  traffic->set_new_flows(values.new_flows);
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

v1::Health HealthOf(const BackendHealth& health) {
  switch (health.state()) {
    case HealthState::kUnknown:
      return v1::HEALTH_UNKNOWN;
    case HealthState::kHealthy:
      return v1::HEALTH_HEALTHY;
    case HealthState::kUnhealthy:
      return v1::HEALTH_UNHEALTHY;
    case HealthState::kUnprobed:
      return v1::HEALTH_UNPROBED;
  }
  return v1::HEALTH_UNKNOWN;
}

}  // namespace

void StateReport::FillState(v1::GetStateResponse* state) const {
  for (const v1::Pool& pool : config.pools()) {
    v1::PoolState* pool_state = state->add_pools();
    *pool_state->mutable_pool() = pool;
    pool_state->mutable_pool()->clear_backends();
    const auto compiled_pool = compiled.pools.find(pool.name());
    const bool known = compiled_pool != compiled.pools.end();
    if (known) {
      pool_state->set_table_digest(
          absl::StrCat(absl::Hex(compiled_pool->second.digest, absl::kZeroPad16)));
    }
    pool_state->set_failed_open(known && compiled_pool->second.failed_open);
    pool_state->set_probes_paused(guards.IsPaused(pool.name()));
    for (const v1::Backend& backend : pool.backends()) {
      FillBackend(pool, backend, pool_state->failed_open(), pool_state->add_backends());
    }
  }
  for (const v1::Vip& vip : config.vips()) {
    v1::VipState* vip_state = state->add_vips();
    *vip_state->mutable_vip() = vip;
    guards.FillVip(config, vip, vip_state);
    const auto index = compiled.vip_indices.find(vip.name());
    v1::Traffic* traffic = vip_state->mutable_traffic();
    if (counters != nullptr && index != compiled.vip_indices.end()) {
      Fill(counters->vips[index->second], traffic);
      Fill(counters->vip_others[index->second], vip_state->mutable_others());
    }
  }
}

void StateReport::FillBackend(const v1::Pool& pool, const v1::Backend& backend, bool failed_open,
                              v1::BackendState* state) const {
  *state->mutable_backend() = backend;
  const std::string key = BackendKey(pool.name(), backend.name(), backend.address());
  const BackendHealth* health = prober.Find(key);
  std::string reason;
  if (health != nullptr) {
    state->set_health(HealthOf(*health));
    state->set_health_age_ms(static_cast<uint64_t>(
        std::max<int64_t>(0, absl::ToInt64Milliseconds(now - health->since()))));
    reason = health->reason();
  } else if (HasProbes(pool) && backend.state() == v1::DISABLED) {
    state->set_health(v1::HEALTH_UNKNOWN);
    reason = "not probed while disabled";
  } else {
    state->set_health(v1::HEALTH_UNPROBED);
    if (HasProbes(pool)) reason = "not probed while no VIP leads to the pool";
  }
  state->set_health_reason(reason);
  guards.FillBackend(pool, backend, state);
  if (failed_open && backend.state() == v1::ENABLED) {
    absl::StrAppend(state->mutable_health_reason(), state->health_reason().empty() ? "" : "; ",
                    pool.fail_open_below() == 0
                        ? "no backend of the pool is healthy: all get flows"
                        : absl::StrCat("fewer than ", pool.fail_open_below(),
                                       " % of the pool are healthy: all get flows"));
  }
  v1::Traffic* traffic = state->mutable_traffic();
  const auto found = compiled.backends.find(key);
  if (found == compiled.backends.end()) return;
  state->set_share(found->second.share);
  state->set_next_hop(session.ready() ? found->second.next_hop : "data plane not connected");
  state->set_unreachable(!session.ready() || !found->second.reachable);
  if (counters != nullptr) Fill(counters->backends[found->second.index], traffic);
}

std::string StateReport::NotProbed() const {
  uint32_t count = 0;
  std::string first;
  for (const v1::Pool& pool : config.pools()) {
    for (const v1::Backend& backend : pool.backends()) {
      const BackendHealth* health =
          prober.Find(BackendKey(pool.name(), backend.name(), backend.address()));
      if (health == nullptr || !health->not_run()) continue;
      if (count++ == 0)
        first = absl::StrCat(pool.name(), "/", backend.name(), " ", health->reason());
    }
  }
  if (count == 0) return "";
  return absl::StrCat(count, count == 1 ? " backend is" : " backends are",
                      " not probed, health stays as it is: ", first);
}

void StateReport::FillStatus(v1::GetStatusResponse* status) const {
  const channel::Welcome& welcome = session.welcome();
  status->set_dataplane_connected(session.ready());
  status->set_dataplane_problem(session.problem());
  if (!keep_problem.empty()) status->add_state_problems(keep_problem);
  const std::string not_probed = probe_problem.empty() ? NotProbed() : probe_problem;
  if (!not_probed.empty()) status->add_state_problems(not_probed);
  guards.FillStatus(status);
  status->set_settling(settling.AnySettling());
  status->set_wanted_generation(session.wanted_generation());
  status->set_dataplane_generation(session.generation());
  if (!session.ready()) return;
  status->set_dataplane_instance(absl::StrCat(absl::Hex(welcome.instance, absl::kZeroPad16)));
  status->set_workers(welcome.worker_count);
  for (uint32_t i = 0; i < welcome.port_count; ++i) {
    v1::PortStatus* port = status->add_ports();
    port->set_name(TextOf(welcome.ports[i].name));
    port->set_kernel_interface(TextOf(welcome.ports[i].kernel_interface));
    port->set_mac(welcome.ports[i].mac.ToString());
    port->set_mtu_bytes(welcome.ports[i].mtu_bytes);
  }
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
  for (uint32_t i = 0; i < welcome.port_count; ++i) {
    const channel::CountersRegion::Port& values = counters.ports[i];
    v1::PortStats* port = stats.add_ports();
    port->set_name(TextOf(welcome.ports[i].name));
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
  }
  FillVips(counters, vips, &stats);
  return stats;
}

}  // namespace guideway
