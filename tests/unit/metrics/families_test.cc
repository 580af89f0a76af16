// Every counter, drop reason and metric of the lists is exported, with its value.
#include "controlplane/metrics/families.h"

#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "controlplane/report/verdict.h"
#include "tests/unit/metrics/sample_snapshot.h"

namespace guideway {
namespace {

// The samples of a text, by name and labels.
std::map<std::string, std::string> Samples(const std::string& text) {
  std::map<std::string, std::string> samples;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] == '#') continue;
    const size_t space = line.rfind(' ');
    INFO(line);
    // A sample that stands there twice makes Prometheus refuse the whole page.
    CHECK(samples.emplace(line.substr(0, space), line.substr(space + 1)).second);
  }
  return samples;
}

double Value(const std::map<std::string, std::string>& samples, const std::string& name) {
  INFO(name);
  const auto found = samples.find(name);
  REQUIRE(found != samples.end());
  return std::stod(found->second);
}

TEST_CASE("every counter and drop reason of the .def files is exported") {
  const auto samples = Samples(MetricsText(SampleSnapshot()));
  for (size_t i = 0; i < kCounterCount; ++i) {
    CHECK(Value(samples, absl::StrCat("guideway_", kCounters[i].name, "_total")) ==
          static_cast<double>(kFirstCounter + i));
  }
  for (size_t i = 0; i < kDropReasonCount; ++i) {
    CHECK(Value(samples, absl::StrCat("guideway_drops_total{reason=\"", kDropReasons[i].name,
                                      "\"}")) == static_cast<double>(kFirstDrop + i));
  }
}

TEST_CASE("every metric of the list has a sample, and nothing else is exported") {
  std::set<std::string> listed, exported;
  for (const MetricInfo& info : AllMetrics()) {
    INFO(info.name);
    CHECK(listed.insert(info.name).second);
    const bool counter = info.type == prometheus::MetricType::Counter;
    CHECK(absl::EndsWith(info.name, "_total") == counter);
  }
  for (const auto& family : MakeFamilies(SampleSnapshot())) exported.insert(family.name);
  CHECK(listed == exported);
}

TEST_CASE("values of the sample") {
  WatchSnapshot sample = SampleSnapshot();
  CompleteVerdict(*sample.state, &sample.status);
  const auto samples = Samples(MetricsText(sample));
  const std::map<std::string, double> expected = {
      {"guideway_problems{kind=\"state-not-kept\",severity=\"warning\"}", 1},
      {"guideway_problems{kind=\"backend-unhealthy\",severity=\"warning\"}", 1},
      {"guideway_problems{kind=\"backend-unreachable\",severity=\"warning\"}", 1},
      {"guideway_problems{kind=\"dataplane-disconnected\",severity=\"critical\"}", 0},
      {"guideway_build_info{version=\"1.2.3\"}", 1},
      {"guideway_start_time_seconds", 1'700'000'000},
      {"guideway_dataplane_in_step", 0},
      {"guideway_wanted_generation", 17},
      {"guideway_dataplane_generation", 16},
      {"guideway_worker_busy_seconds_total{worker=\"0\"}", 1.5},
      {"guideway_port_receive_missed_packets_total{port=\"eth0\"}", 43},
      {"guideway_vip_bytes_total{vip=\"site\"}", 500000},
      {"guideway_vip_drops_total{vip=\"site\",reason=\"no_backend\"}", 53},
      {"guideway_pool_backends{pool=\"web\",health=\"healthy\"}", 1},
      {"guideway_pool_backends{pool=\"web\",health=\"unhealthy\"}", 0},
      {"guideway_pool_backends{pool=\"web\",health=\"unreachable\"}", 1},
      {"guideway_pool_backends{pool=\"web\",health=\"not_meant\"}", 1},
      {"guideway_pool_backends{pool=\"idle\",health=\"unprobed\"}", 1},
      {"guideway_pool_enabled_backends{pool=\"web\"}", 2},
      {"guideway_pool_table_digest{pool=\"web\"}", 0xfedcba9876543},
      {"guideway_pool_probes_total{pool=\"web\",result=\"not_run\"}", 63},
      {"guideway_pool_probe_duration_seconds_count{pool=\"web\"}", 3},
      {"guideway_pool_probe_duration_seconds_bucket{pool=\"web\",le=\"0.001\"}", 0},
      {"guideway_pool_probe_duration_seconds_bucket{pool=\"web\",le=\"0.003\"}", 1},
      {"guideway_pool_probe_duration_seconds_bucket{pool=\"web\",le=\"10\"}", 2},
      {"guideway_pool_probe_duration_seconds_bucket{pool=\"web\",le=\"+Inf\"}", 3},
      {"guideway_backend_healthy{pool=\"web\",backend=\"web-1\"}", 1},
      {"guideway_backend_healthy{pool=\"web\",backend=\"web-2\"}", 0},
      {"guideway_backend_healthy{pool=\"idle\",backend=\"idle-1\"}", 1},
      {"guideway_backend_reachable{pool=\"web\",backend=\"web-2\"}", 0},
      {"guideway_backend_enabled{pool=\"web\",backend=\"web-3\"}", 0},
      {"guideway_backend_probes_total{pool=\"web\",backend=\"web-1\",result=\"failed\"}", 8},
      {"guideway_backend_last_probe_duration_seconds{pool=\"web\",backend=\"web-1\"}", 0.0015},
      {"guideway_channel_response_seconds_count{request=\"commit\"}", 1},
      {"guideway_loop_turn_seconds_count", 1},
      {"guideway_loop_longest_turn_seconds{work=\"prober\"}", 0.009},
      {"guideway_loop_work_seconds_total{work=\"prober\"}", 3},
  };
  for (const auto& [name, value] : expected) {
    INFO(name);
    CHECK(Value(samples, name) == Approx(value));
  }
  CHECK(samples.count("guideway_backend_probes_total{pool=\"idle\",backend=\"idle-1\","
                      "result=\"failed\"}") == 0);
  // 52 bits of digest are exact.
  CHECK(samples.at("guideway_pool_table_digest{pool=\"web\"}") == absl::StrCat(0xfedcba9876543));
}

TEST_CASE("nothing that a server says is in a label") {
  CHECK(MetricsText(SampleSnapshot()).find("onerror") == std::string::npos);
}

TEST_CASE("without a data plane there are no traffic counters that would look like a reset") {
  WatchSnapshot snapshot = SampleSnapshot();
  snapshot.has_stats = false;
  snapshot.stats.Clear();
  snapshot.status.set_dataplane_connected(false);
  const auto samples = Samples(MetricsText(snapshot));
  CHECK(Value(samples, "guideway_dataplane_connected") == 0);
  CHECK(Value(samples, "guideway_backend_healthy{pool=\"web\",backend=\"web-1\"}") == 1);
  for (const auto& [name, value] : samples) {
    INFO(name);
    CHECK_FALSE(absl::StartsWith(name, "guideway_vip_"));
    CHECK_FALSE(absl::StartsWith(name, "guideway_backend_packets_total"));
    CHECK_FALSE(absl::StartsWith(name, "guideway_received_packets_total"));
  }
}

TEST_CASE("whose counters are not known yet has none that would look like a reset") {
  WatchSnapshot snapshot = SampleSnapshot();
  snapshot.state->mutable_vips(0)->clear_traffic();
  snapshot.state->mutable_pools(0)->mutable_backends(0)->clear_traffic();
  const std::string& pool = snapshot.state->pools(0).pool().name();
  const std::string& backend = snapshot.state->pools(0).backends(0).backend().name();
  const auto samples = Samples(MetricsText(snapshot));
  CHECK(samples.count(absl::StrCat("guideway_backend_enabled{pool=\"", pool, "\",backend=\"",
                                   backend, "\"}")) == 1);
  for (const auto& [name, value] : samples) {
    INFO(name);
    CHECK_FALSE((absl::StartsWith(name, "guideway_vip_") &&
                 absl::StrContains(name, snapshot.state->vips(0).vip().name())));
    CHECK_FALSE((absl::StartsWith(name, "guideway_backend_packets_total") &&
                 absl::StrContains(name, absl::StrCat("backend=\"", backend, "\""))));
  }
  CHECK(Value(samples, absl::StrCat("guideway_dataplane_info{dataplane=\"",
                                    snapshot.status.dataplane_instance(), "\"}")) == 1);
}

}  // namespace
}  // namespace guideway
