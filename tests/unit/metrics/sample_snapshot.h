// A snapshot in which every metric has a sample and no two values are the same by accident, with
// hostile texts where texts come from outside.
#ifndef GUIDEWAY_TESTS_UNIT_METRICS_SAMPLE_SNAPSHOT_H_
#define GUIDEWAY_TESTS_UNIT_METRICS_SAMPLE_SNAPSHOT_H_

#include <string>

#include "controlplane/metrics/snapshot.h"
#include "controlplane/report/problem.h"
#include "lib/stats/stats.h"

namespace guideway {

inline constexpr uint64_t kFirstCounter = 1000, kFirstDrop = 2000;
inline constexpr char kHostile[] =
    "HTTP status 503 <img src=x onerror=\"document.title='owned'\"> </script>\n\\ '\"\x01";

inline void SetTraffic(uint64_t first, v1::Traffic* traffic) {
  traffic->set_packets(first);
  traffic->set_bytes(first * 100);
  traffic->set_new_flows(first / 10);
}

inline v1::BackendState* AddSampleBackend(v1::PoolState* pool, const std::string& name,
                                          v1::Health health, const std::string& reason) {
  v1::BackendState* state = pool->add_backends();
  state->mutable_backend()->set_name(name);
  state->mutable_backend()->set_address("10.0.0.1");
  state->mutable_backend()->set_weight(100);
  state->mutable_backend()->set_state(v1::ENABLED);
  state->set_health(health);
  state->set_health_reason(reason);
  state->set_health_age_ms(90'500);
  state->set_share(0.25);
  state->set_next_hop("eth1 02:00:00:00:00:01");
  state->set_probes_succeeded(7);
  state->set_probes_failed(8);
  state->set_probes_not_run(9);
  state->set_last_probe_us(1500);
  SetTraffic(7000, state->mutable_traffic());
  return state;
}

inline void AddSampleStats(v1::GetStatsResponse* stats) {
  for (size_t i = 0; i < kCounterCount; ++i) {
    v1::NamedValue* counter = stats->add_counters();
    counter->set_name(kCounters[i].name);
    counter->set_value(kFirstCounter + i);
  }
  for (size_t i = 0; i < kDropReasonCount; ++i) {
    v1::NamedValue* drop = stats->add_drops();
    drop->set_name(kDropReasons[i].name);
    drop->set_help(kDropReasons[i].help);
    drop->set_value(kFirstDrop + i);
  }
  stats->set_balanced(true);
  stats->set_flow_capacity(65536);
  v1::WorkerStats* worker = stats->add_workers();
  worker->set_received_packets(31);
  worker->set_forwarded_packets(32);
  worker->set_drop_total(33);
  worker->set_busy_ns(1'500'000'000);
  v1::PortStats* port = stats->add_ports();
  port->set_name("eth0");
  port->set_received_packets(41);
  port->set_sent_packets(42);
  port->set_receive_missed(43);
  port->set_receive_errors(44);
  port->set_from_kernel_packets(45);
  port->set_kernel_twin_lost_packets(46);
}

inline WatchSnapshot SampleSnapshot() {
  WatchSnapshot snapshot;
  v1::PoolState* web = snapshot.state->add_pools();
  web->mutable_pool()->set_name("web");
  web->set_table_digest("fedcba9876543210");
  AddSampleBackend(web, "web-1", v1::HEALTH_HEALTHY, "connected");
  AddSampleBackend(web, "web-2", v1::HEALTH_UNHEALTHY, kHostile)->set_unreachable(true);
  AddSampleBackend(web, "web-3", v1::HEALTH_UNKNOWN, "")->mutable_backend()->set_state(v1::DRAINED);
  v1::PoolState* idle = snapshot.state->add_pools();
  idle->mutable_pool()->set_name("idle");
  AddSampleBackend(idle, "idle-1", v1::HEALTH_UNPROBED, "");
  v1::VipState* vip = snapshot.state->add_vips();
  vip->mutable_vip()->set_name("site");
  vip->mutable_vip()->set_address("2001:db8::1");
  vip->mutable_vip()->set_port(443);
  vip->mutable_vip()->set_protocol(v1::TCP);
  vip->mutable_vip()->set_pool("web");
  SetTraffic(5000, vip->mutable_traffic());
  vip->mutable_others()->set_to_kernel_packets(51);
  vip->mutable_others()->set_answered_packets(52);
  vip->mutable_others()->set_drop_total(53);
  v1::NamedValue* drop = vip->mutable_others()->add_drops();
  drop->set_name("no_backend");
  drop->set_value(53);
  snapshot.status.set_version("1.2.3");
  snapshot.status.set_uptime_ms(60'000);
  snapshot.status.set_config_version(12);
  snapshot.status.set_dataplane_connected(true);
  snapshot.status.set_dataplane_generation(16);
  snapshot.status.set_wanted_generation(17);
  snapshot.status.set_workers(1);
  AddProblem(ProblemKind::kStateNotKept, "", "state file: No space left on device",
             &snapshot.status);
  snapshot.has_stats = true;
  AddSampleStats(&snapshot.stats);
  ProbeStatistics::Pool& probes = snapshot.observations.probes["web"];
  probes.counts = {61, 62, 63, absl::Milliseconds(2)};
  probes.durations.Add(0.002);
  probes.durations.Add(0.5);
  probes.durations.Add(60);
  for (const char* request : {"counters", "commit"}) {
    snapshot.observations.channel[request].Add(0.00002);
  }
  snapshot.observations.loop_turns.Add(0.002);
  LoopMeter::Work& work = snapshot.observations.loop_work["prober"];
  work.total = absl::Seconds(3);
  work.recent = absl::Milliseconds(7);
  work.before = absl::Milliseconds(9);
  snapshot.taken_at = absl::FromUnixSeconds(1'700'000'060);
  snapshot.longest_turn = absl::Microseconds(250);
  return snapshot;
}

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_METRICS_SAMPLE_SNAPSHOT_H_
