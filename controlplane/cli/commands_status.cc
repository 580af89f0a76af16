// guideway status, guideway stats.
#include <algorithm>
#include <cmath>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "controlplane/cli/change_safety.h"
#include "controlplane/cli/cli.h"
#include "controlplane/cli/state.h"
#include "controlplane/cli/table.h"
#include "controlplane/report/verdict.h"
#include "lib/base/status.h"
#include "lib/config/schema.h"

namespace guideway::cli {

namespace {

// "1.24 ms, p99 1.92 ms"
std::string LatencyText(const v1::UpdateLatency& latency) {
  if (latency.health_changes() == 0) return "no change yet";
  const auto milliseconds = [](uint64_t us) {
    return absl::StrFormat("%.2f ms", static_cast<double>(us) / 1000);
  };
  return absl::StrCat(milliseconds(latency.median_us()), ", p99 ", milliseconds(latency.p99_us()));
}

absl::Status ShowStatus(Cli* cli) {
  v1::GetStatusResponse status;
  GW_RETURN_IF_ERROR(
      cli->client().Call(&v1::Guideway::Stub::GetStatus, v1::GetStatusRequest(), &status));
  const bool well = status.problems().empty();
  if (!well) cli->set_exit_code(kNotWell);
  if (cli->json()) {
    cli->out() << Json::FromMessage(status).Set("well", Json::Bool(well)).ToString();
    return absl::OkStatus();
  }
  cli->out() << VerdictText(status) << "\n";
  for (const v1::Problem& problem : status.problems()) {
    cli->out() << EnumName(problem.severity()) << " " << problem.kind() << ": " << problem.text()
               << "\n    " << problem.remedy() << "\n";
  }
  cli->out() << ConfirmationText(status);
  for (const std::string& order : status.overrides()) cli->out() << "note: " << order << "\n";
  const std::string generation = absl::StrCat(status.dataplane_generation(), " in force, ",
                                              status.wanted_generation(), " sent");
  cli->out() << "\n"
             << KeyValues(
                    {{"serving", ServingText(status.serving())},
                     {"control plane", absl::StrCat("version ", status.version(), ", up ",
                                                    AgeText(status.uptime_ms()))},
                     {"configuration", absl::StrCat("version ", status.config_version(), " from ",
                                                    status.config_source())},
                     {"data plane",
                      status.dataplane_connected()
                          ? absl::StrCat("connected, instance ", status.dataplane_instance(), ", ",
                                         CountText(static_cast<int>(status.workers()), "worker"))
                          : "not connected"},
                     {"tables", generation},
                     {"health to tables", LatencyText(status.update_latency())},
                     {"settling",
                      status.settling() ? "yes: the first probe round is not over" : "no"}});
  if (status.ports_size() > 0) {
    Table ports({"port", "kernel interface", "mac", ">mtu"});
    for (const v1::PortStatus& port : status.ports()) {
      ports.Add({port.name(), port.kernel_interface(), port.mac(), absl::StrCat(port.mtu_bytes())});
    }
    cli->out() << "\n" << ports.ToString();
  }
  return absl::OkStatus();
}

Json VipStatsJson(const v1::VipStats& vip) {
  Json json = Json::Object();
  if (!vip.name().empty()) json.Set("name", vip.name());
  SetTraffic(vip.traffic(), &json);
  SetOthers(vip.others(), &json);
  return json;
}

Json StatsJson(const v1::GetStatsResponse& stats) {
  Json json = Json::Object();
  for (const v1::NamedValue& value : stats.counters()) {
    json.Set(value.name(), Json::Number(value.value()));
  }
  Json drops = Json::Object();
  for (const v1::NamedValue& value : stats.drops()) {
    drops.Set(value.name(), Json::Number(value.value()));
  }
  Json ports = Json::List();
  for (const v1::PortStats& port : stats.ports()) ports.Append(Json::FromMessage(port));
  Json workers = Json::List();
  for (const v1::WorkerStats& worker : stats.workers()) workers.Append(Json::FromMessage(worker));
  Json vips = Json::List();
  for (const v1::VipStats& vip : stats.vips()) vips.Append(VipStatsJson(vip));
  json.Set("drops", std::move(drops))
      .Set("drop_total", Json::Number(stats.drop_total()))
      .Set("balanced", Json::Bool(stats.balanced()))
      .Set("ports", std::move(ports))
      .Set("workers", std::move(workers))
      .Set("vips", std::move(vips))
      .Set("no_vip", VipStatsJson(stats.no_vip()))
      .Set("generation", Json::Number(stats.generation()));
  return json;
}

// Values of the last reading, for rates.
using Reading = std::map<std::string, uint64_t>;

// Counters and drops with how much they grew a second since `last`; all-zero drops are left out.
std::string StatsTable(const v1::GetStatsResponse& stats, Reading* last, double seconds) {
  const bool rates = seconds > 0;
  std::vector<std::string> headings = {"counter", ">value", "meaning"};
  if (rates) headings.insert(headings.begin() + 2, ">a second");
  Table table(headings);
  const auto add = [&](const std::string& name, uint64_t value, const std::string& help) {
    std::vector<std::string> cells = {name, absl::StrCat(value), help};
    if (rates) {
      // A counter that went back belongs to a restarted data plane and starts at zero.
      const uint64_t before = std::min((*last)[name], value);
      const double rate = static_cast<double>(value - before) / seconds;
      cells.insert(cells.begin() + 2, absl::StrCat(std::llround(rate)));
    }
    (*last)[name] = value;
    table.Add(std::move(cells));
  };
  for (const v1::NamedValue& value : stats.counters())
    add(value.name(), value.value(), value.help());
  for (const v1::NamedValue& value : stats.drops()) {
    if (value.value() > 0) add("drop: " + value.name(), value.value(), value.help());
  }
  add("drop total", stats.drop_total(), "packets dropped for any reason");
  return table.ToString();
}

std::string PortsTable(const v1::GetStatsResponse& stats) {
  Table table({"port", ">received", ">sent", ">missed", ">errors", ">from kernel", ">twin lost"});
  for (const v1::PortStats& port : stats.ports()) {
    table.Add({port.name(), absl::StrCat(port.received_packets()),
               absl::StrCat(port.sent_packets()), absl::StrCat(port.receive_missed()),
               absl::StrCat(port.receive_errors()), absl::StrCat(port.from_kernel_packets()),
               absl::StrCat(port.kernel_twin_lost_packets())});
  }
  return table.ToString();
}

std::string WorkersTable(const v1::GetStatsResponse& stats) {
  Table table({">worker", ">received", ">forwarded", ">to kernel", ">answered", ">dropped"});
  for (const v1::WorkerStats& worker : stats.workers()) {
    table.Add({absl::StrCat(worker.worker()), absl::StrCat(worker.received_packets()),
               absl::StrCat(worker.forwarded_packets()), absl::StrCat(worker.to_kernel_packets()),
               absl::StrCat(worker.answered_packets()), absl::StrCat(worker.drop_total())});
  }
  return table.ToString();
}

struct StatsOptions {
  double watch_seconds = 0;  // 0: once
  uint64_t count = 0;        // 0: until stopped
};

absl::Status ShowStats(Cli* cli, const StatsOptions& options) {
  Reading last;
  absl::Time last_time = absl::InfinitePast();
  for (uint64_t i = 0;; ++i) {
    v1::GetStatsResponse stats;
    GW_RETURN_IF_ERROR(
        cli->client().Call(&v1::Guideway::Stub::GetStats, v1::GetStatsRequest(), &stats));
    const absl::Time now = absl::Now();
    if (cli->json()) {
      cli->out() << StatsJson(stats).ToString();
    } else {
      const double seconds = i == 0 ? 0 : absl::ToDoubleSeconds(now - last_time);
      cli->out()
          << StatsTable(stats, &last, seconds)
          << (stats.balanced()
                  ? "balanced: received = forwarded + to kernel + answered + drops\n"
                  : "NOT BALANCED: received is not forwarded + to kernel + answered + drops\n");
      if (stats.ports_size() > 0) cli->out() << "\n" << PortsTable(stats);
      if (stats.workers_size() > 1) cli->out() << "\n" << WorkersTable(stats);
      if (options.watch_seconds > 0) cli->out() << "\n";
    }
    cli->out().flush();
    last_time = now;
    if (options.watch_seconds <= 0 || (options.count > 0 && i + 1 >= options.count)) break;
    if (!cli->out().good()) break;  // the reader has gone
    absl::SleepFor(absl::Seconds(options.watch_seconds));
  }
  return absl::OkStatus();
}

}  // namespace

void AddStatusCommands(Cli* cli) {
  cli->AddCommand(&cli->app(), "status", "Say whether all is well, and what is not",
                  [cli] { return ShowStatus(cli); });
  const auto options = std::make_shared<StatsOptions>();
  CLI::App* stats =
      cli->AddCommand(&cli->app(), "stats", "Show the data plane's counters and drops",
                      [=] { return ShowStats(cli, *options); });
  CLI::Option* watch = stats
                           ->add_option("--watch", options->watch_seconds,
                                        "Again every so many seconds (1 if none are given)")
                           ->type_name("SECONDS")
                           ->expected(0, 1)
                           ->default_str("1")
                           ->check(CLI::Range(0.1, 86400.0));
  stats->add_option("--count", options->count, "With --watch: stop after so many times")
      ->type_name("NUMBER")
      ->needs(watch);
}

}  // namespace guideway::cli
