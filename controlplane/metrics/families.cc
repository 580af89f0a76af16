#include "controlplane/metrics/families.h"

#include <initializer_list>
#include <map>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "controlplane/metrics/catalog.h"
#include "controlplane/report/problem_kind.h"
#include "controlplane/report/verdict.h"
#include "glog/logging.h"
#include "lib/config/meant.h"
#include "lib/stats/stats.h"
#include "prometheus/text_serializer.h"

namespace guideway {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricType;

std::vector<std::string> SplitLabels(const char* labels) {
  return absl::StrSplit(labels, ',', absl::SkipEmpty());
}

const std::vector<MetricInfo>& Infos() {
  static const auto* const infos = new std::vector<MetricInfo>(AllMetrics());
  return *infos;
}

// The place of each counter of counters.def among the infos.
const std::map<std::string, size_t>& CounterIndices() {
  static const auto* const indices = [] {
    auto* made = new std::map<std::string, size_t>;
    size_t index = static_cast<size_t>(Metric::kCount);
    for (const CounterInfo& counter : kCounters) (*made)[counter.name] = index++;
    return made;
  }();
  return *indices;
}

class Families {
 public:
  Families() {
    for (const MetricInfo& info : Infos())
      families_.push_back({info.name, info.help, info.type, {}});
  }

  // `index`: of AllMetrics().
  ClientMetric& NewSample(size_t index, std::initializer_list<std::string> values) {
    const MetricInfo& info = Infos()[index];
    CHECK_EQ(values.size(), info.labels.size()) << info.name;
    ClientMetric& sample = families_[index].metric.emplace_back();
    auto name = info.labels.begin();
    for (const std::string& value : values) sample.label.push_back({*name++, value});
    return sample;
  }
  void Add(size_t index, double value, std::initializer_list<std::string> labels = {}) {
    ClientMetric& sample = NewSample(index, labels);
    (Infos()[index].type == MetricType::Counter ? sample.counter.value : sample.gauge.value) =
        value;
  }
  void Add(Metric metric, uint64_t value, std::initializer_list<std::string> labels = {}) {
    Add(static_cast<size_t>(metric), static_cast<double>(value), labels);
  }
  void AddFraction(Metric metric, double value, std::initializer_list<std::string> labels = {}) {
    Add(static_cast<size_t>(metric), value, labels);
  }
  void Add(Metric metric, const DurationHistogram& histogram,
           std::initializer_list<std::string> labels) {
    auto& into = NewSample(static_cast<size_t>(metric), labels).histogram;
    into.sample_count = histogram.count();
    into.sample_sum = histogram.sum_seconds();
    uint64_t cumulative = 0;
    for (size_t i = 0; i < DurationHistogram::kBoundsSeconds.size(); ++i) {
      cumulative += histogram.CountWithin(i);
      into.bucket.push_back({cumulative, DurationHistogram::kBoundsSeconds[i]});
    }
  }

  std::vector<prometheus::MetricFamily> Take() {
    std::erase_if(families_, [](const auto& family) { return family.metric.empty(); });
    return std::move(families_);
  }

 private:
  std::vector<prometheus::MetricFamily> families_;
};

void AddProblems(const v1::GetStatusResponse& status, Families* families) {
  std::map<std::string, uint64_t> by_kind;
  for (const v1::Problem& problem : status.problems()) ++by_kind[problem.kind()];
  for (const ProblemKindInfo& info : AllProblemKinds()) {
    families->Add(Metric::kProblems, by_kind[info.name], {info.name, SeverityName(info.severity)});
  }
}

void AddStatus(const WatchSnapshot& snapshot, Families* families) {
  const v1::GetStatusResponse& status = snapshot.status;
  families->Add(Metric::kBuildInfo, 1, {status.version()});
  families->AddFraction(Metric::kStartTime,
                        absl::ToDoubleSeconds(snapshot.taken_at - absl::UnixEpoch()) -
                            static_cast<double>(status.uptime_ms()) / 1000);
  families->Add(Metric::kConfigVersion, status.config_version());
  AddProblems(status, families);
  families->Add(Metric::kSettling, status.settling());
  families->Add(Metric::kDataplaneConnected, status.dataplane_connected());
  families->Add(Metric::kDataplaneInStep,
                status.dataplane_connected() && status.dataplane_problem().empty() &&
                    status.dataplane_generation() == status.wanted_generation());
  families->Add(Metric::kWantedGeneration, status.wanted_generation());
  if (status.dataplane_connected()) {
    families->Add(Metric::kDataplaneInfo, 1, {status.dataplane_instance()});
    families->Add(Metric::kDataplaneGeneration, status.dataplane_generation());
    families->Add(Metric::kWorkers, status.workers());
  }
  families->Add(Metric::kLostLogLines, snapshot.observations.lost_log_lines);
  families->AddFraction(Metric::kLongestTurn, absl::ToDoubleSeconds(snapshot.longest_turn));
}

void AddStats(const v1::GetStatsResponse& stats, Families* families) {
  families->Add(Metric::kFlowCapacity, stats.flow_capacity());
  families->Add(Metric::kBalanced, stats.balanced());
  for (const v1::NamedValue& counter : stats.counters()) {
    const auto found = CounterIndices().find(counter.name());
    if (found != CounterIndices().end()) {
      families->Add(found->second, static_cast<double>(counter.value()));
    }
  }
  for (const v1::NamedValue& drop : stats.drops()) {
    families->Add(Metric::kDrops, drop.value(), {drop.name()});
  }
  for (const v1::WorkerStats& worker : stats.workers()) {
    const std::string name = absl::StrCat(worker.worker());
    families->Add(Metric::kWorkerReceived, worker.received_packets(), {name});
    families->Add(Metric::kWorkerForwarded, worker.forwarded_packets(), {name});
    families->Add(Metric::kWorkerDrops, worker.drop_total(), {name});
    families->AddFraction(Metric::kWorkerBusy, static_cast<double>(worker.busy_ns()) * 1e-9,
                          {name});
  }
  for (const v1::PortStats& port : stats.ports()) {
    families->Add(Metric::kPortReceived, port.received_packets(), {port.name()});
    families->Add(Metric::kPortSent, port.sent_packets(), {port.name()});
    families->Add(Metric::kPortMissed, port.receive_missed(), {port.name()});
    families->Add(Metric::kPortErrors, port.receive_errors(), {port.name()});
    families->Add(Metric::kPortFromKernel, port.from_kernel_packets(), {port.name()});
    families->Add(Metric::kPortTwinLost, port.kernel_twin_lost_packets(), {port.name()});
  }
}

void AddVip(const v1::VipState& vip, Families* families) {
  const std::string& name = vip.vip().name();
  families->Add(Metric::kVipPackets, vip.traffic().packets(), {name});
  families->Add(Metric::kVipBytes, vip.traffic().bytes(), {name});
  families->Add(Metric::kVipNewFlows, vip.traffic().new_flows(), {name});
  families->Add(Metric::kVipToKernel, vip.others().to_kernel_packets(), {name});
  families->Add(Metric::kVipAnswered, vip.others().answered_packets(), {name});
  for (const v1::NamedValue& drop : vip.others().drops()) {
    families->Add(Metric::kVipDrops, drop.value(), {name, drop.name()});
  }
}

void AddBackend(const std::string& pool, const v1::BackendState& state, bool has_stats,
                Families* families) {
  const std::string& name = state.backend().name();
  const bool unprobed = state.health() == v1::HEALTH_UNPROBED;
  families->Add(Metric::kBackendHealthy, unprobed || state.health() == v1::HEALTH_HEALTHY,
                {pool, name});
  families->Add(Metric::kBackendEnabled, IsMeantToTakeFlows(state.backend()), {pool, name});
  families->Add(Metric::kBackendReachable, !state.unreachable(), {pool, name});
  families->Add(Metric::kBackendWeight, state.backend().weight(), {pool, name});
  families->AddFraction(Metric::kBackendShare, state.share(), {pool, name});
  // Absent rather than 0 while it is not known: a counter must not fall.
  if (has_stats && state.has_traffic()) {
    families->Add(Metric::kBackendPackets, state.traffic().packets(), {pool, name});
    families->Add(Metric::kBackendBytes, state.traffic().bytes(), {pool, name});
    families->Add(Metric::kBackendNewFlows, state.traffic().new_flows(), {pool, name});
  }
  if (unprobed) return;
  families->AddFraction(Metric::kBackendHealthAge,
                        static_cast<double>(state.health_age_ms()) / 1000, {pool, name});
  families->Add(Metric::kBackendProbes, state.probes_succeeded(), {pool, name, "succeeded"});
  families->Add(Metric::kBackendProbes, state.probes_failed(), {pool, name, "failed"});
  families->Add(Metric::kBackendProbes, state.probes_not_run(), {pool, name, "not_run"});
  families->AddFraction(Metric::kBackendProbeDuration,
                        static_cast<double>(state.last_probe_us()) * 1e-6, {pool, name});
}

void AddPool(const v1::PoolState& pool, bool has_stats, Families* families) {
  const std::string& name = pool.pool().name();
  for (const v1::BackendState& backend : pool.backends()) {
    AddBackend(name, backend, has_stats, families);
  }
  const v1::ServingCounts counts = CountBackends(pool);
  families->Add(Metric::kPoolBackends, counts.serving_backends(), {name, "healthy"});
  families->Add(Metric::kPoolBackends, counts.unprobed_backends(), {name, "unprobed"});
  families->Add(Metric::kPoolBackends, counts.unhealthy_backends(), {name, "unhealthy"});
  families->Add(Metric::kPoolBackends, counts.unreachable_backends(), {name, "unreachable"});
  families->Add(Metric::kPoolBackends, counts.backends() - counts.meant_backends(),
                {name, "not_meant"});
  families->Add(Metric::kPoolEnabled, counts.meant_backends(), {name});
  // 52 bits: a double holds them exactly.
  uint64_t digest = 0;
  if (pool.table_digest().size() == 16 &&
      absl::SimpleHexAtoi(pool.table_digest().substr(0, 13), &digest)) {
    families->Add(Metric::kPoolDigest, digest, {name});
  }
}

void AddObservations(const Observations& observations, Families* families) {
  for (const auto& [pool, probes] : observations.probes) {
    families->Add(Metric::kPoolProbes, probes.counts.succeeded, {pool, "succeeded"});
    families->Add(Metric::kPoolProbes, probes.counts.failed, {pool, "failed"});
    families->Add(Metric::kPoolProbes, probes.counts.not_run, {pool, "not_run"});
    families->Add(Metric::kPoolProbeDuration, probes.durations, {pool});
  }
  for (const auto& [request, durations] : observations.channel) {
    families->Add(Metric::kChannelDuration, durations, {request});
  }
  families->Add(Metric::kLoopTurn, observations.loop_turns, {});
  for (const auto& [name, work] : observations.loop_work) {
    families->AddFraction(Metric::kLoopLongest, absl::ToDoubleSeconds(LoopMeter::RecentOf(work)),
                          {name});
    families->AddFraction(Metric::kLoopWork, absl::ToDoubleSeconds(work.total), {name});
  }
}

}  // namespace

std::vector<MetricInfo> AllMetrics() {
  std::vector<MetricInfo> all = {
#define GW_METRIC(id, type, name, labels, help) {MetricType::type, name, SplitLabels(labels), help},
#include "controlplane/metrics/metrics.def"
#undef GW_METRIC
  };
  for (const CounterInfo& counter : kCounters) {
    all.push_back(
        {MetricType::Counter, absl::StrCat("guideway_", counter.name, "_total"), {}, counter.help});
  }
  return all;
}

std::vector<prometheus::MetricFamily> MakeFamilies(const WatchSnapshot& snapshot) {
  Families families;
  AddStatus(snapshot, &families);
  if (snapshot.has_stats) {
    AddStats(snapshot.stats, &families);
    for (const v1::VipState& vip : snapshot.state->vips()) {
      if (vip.has_traffic()) AddVip(vip, &families);
    }
  }
  for (const v1::PoolState& pool : snapshot.state->pools()) {
    AddPool(pool, snapshot.has_stats, &families);
  }
  AddObservations(snapshot.observations, &families);
  return families.Take();
}

std::string MetricsText(const WatchSnapshot& snapshot) {
  return prometheus::TextSerializer().prometheus::Serializer::Serialize(MakeFamilies(snapshot));
}

std::string MetricsPage() {
  std::string page =
      "# Metrics\n\n"
      "<!-- Made from controlplane/metrics/metrics.def, lib/stats/counters.def and "
      "lib/stats/dataplane_metrics.def; do not edit: ninja -C build update_docs. -->\n\n"
      "Served at `/metrics`, see [monitoring.md](monitoring.md#metrics-and-status-page).\n\n"
      "| name | type | labels | meaning |\n|---|---|---|---|\n";
  for (const MetricInfo& info : Infos()) {
    const char* type = info.type == MetricType::Counter     ? "counter"
                       : info.type == MetricType::Histogram ? "histogram"
                                                            : "gauge";
    std::string labels;
    for (const std::string& label : info.labels) {
      absl::StrAppend(&labels, labels.empty() ? "`" : ", `", label, "`");
    }
    absl::StrAppend(&page, "| `", info.name, "` | ", type, " | ", labels, " | ", info.help, " |\n");
  }
  absl::StrAppend(&page,
                  "\n## The data plane's own file\n\nWritten to `--metrics_file`, see "
                  "[monitoring.md](monitoring.md#when-the-control-plane-hangs).\n\n"
                  "| name | type | labels | meaning |\n|---|---|---|---|\n");
  constexpr struct {
    const char* type;
    const char* name;
    const char* labels;
    const char* help;
  } kDataplane[] = {
#define GW_DATAPLANE_METRIC(id, type, name, labels, help) {#type, name, labels, help},
#include "lib/stats/dataplane_metrics.def"
#undef GW_DATAPLANE_METRIC
  };
  for (const auto& info : kDataplane) {
    const std::string labels =
        *info.labels == 0
            ? ""
            : absl::StrCat("`", absl::StrReplaceAll(info.labels, {{",", "`, `"}}), "`");
    absl::StrAppend(&page, "| `", info.name, "` | ", info.type, " | ", labels, " | ", info.help,
                    " |\n");
  }
  return page;
}

}  // namespace guideway
