#include "controlplane/metrics/status_json.h"

#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"
#include "controlplane/cli/json.h"
#include "controlplane/report/verdict.h"

namespace guideway {
namespace {

using cli::Json;

// "HEALTH_UNPROBED", "HEALTH_" -> "unprobed"
std::string Word(const std::string& name, const std::string& prefix) {
  return absl::AsciiStrToLower(absl::StripPrefix(name, prefix));
}

void SetTraffic(const v1::Traffic& traffic, Json* json) {
  json->Set("packets", Json::Number(traffic.packets()))
      .Set("bytes", Json::Number(traffic.bytes()))
      .Set("new_flows", Json::Number(traffic.new_flows()));
}

Json OfBackend(const v1::BackendState& state) {
  Json json = Json::Object();
  json.Set("name", state.backend().name())
      .Set("address", state.backend().address())
      .Set("state", Word(v1::AdminState_Name(state.backend().state()), ""))
      .Set("weight", Json::Number(state.backend().weight()))
      .Set("health", Word(v1::Health_Name(state.health()), "HEALTH_"))
      .Set("reason", state.health_reason())
      .Set("age_ms", Json::Number(state.health_age_ms()))
      .Set("probe_us", Json::Number(state.last_probe_us()))
      .Set("share", Json::Fraction(state.share()))
      .Set("next_hop", state.next_hop())
      .Set("reachable", Json::Bool(!state.unreachable()));
  SetTraffic(state.traffic(), &json);
  return json;
}

Json OfPool(const v1::PoolState& state) {
  Json backends = Json::List();
  for (const v1::BackendState& backend : state.backends()) backends.Append(OfBackend(backend));
  Json json = Json::Object();
  json.Set("name", state.pool().name())
      .Set("digest", state.table_digest())
      .Set("serving", BackendsText(CountBackends(state)))
      .Set("backends", std::move(backends));
  return json;
}

Json OfVip(const v1::VipState& state) {
  const v1::Vip& vip = state.vip();
  Json json = Json::Object();
  json.Set("name", vip.name())
      .Set("address", vip.address())
      .Set("port", Json::Number(vip.port()))
      .Set("protocol", Word(v1::Protocol_Name(vip.protocol()), ""))
      .Set("pool", vip.pool())
      .Set("drops", Json::Number(state.others().drop_total()));
  SetTraffic(state.traffic(), &json);
  return json;
}

Json OfStats(const v1::GetStatsResponse& stats) {
  Json counters = Json::Object();
  for (const v1::NamedValue& counter : stats.counters()) {
    counters.Set(counter.name(), Json::Number(counter.value()));
  }
  Json drops = Json::List();
  for (const v1::NamedValue& drop : stats.drops()) {
    if (drop.value() == 0) continue;
    Json entry = Json::Object();
    entry.Set("name", drop.name())
        .Set("help", drop.help())
        .Set("packets", Json::Number(drop.value()));
    drops.Append(std::move(entry));
  }
  Json workers = Json::List();
  for (const v1::WorkerStats& worker : stats.workers()) {
    Json entry = Json::Object();
    entry.Set("worker", Json::Number(worker.worker()))
        .Set("packets", Json::Number(worker.received_packets()))
        .Set("busy_ns", Json::Number(worker.busy_ns()));
    workers.Append(std::move(entry));
  }
  Json json = Json::Object();
  json.Set("balanced", Json::Bool(stats.balanced()))
      .Set("counters", std::move(counters))
      .Set("drops", std::move(drops))
      .Set("workers", std::move(workers));
  return json;
}

}  // namespace

std::string StatusJson(const WatchSnapshot& snapshot) {
  const v1::GetStatusResponse& status = snapshot.status;
  Json problems = Json::List();
  for (const v1::Problem& problem : status.problems()) {
    problems.Append(Json::FromMessage(problem));
  }
  Json pools = Json::List();
  for (const v1::PoolState& pool : snapshot.state->pools()) pools.Append(OfPool(pool));
  Json vips = Json::List();
  for (const v1::VipState& vip : snapshot.state->vips()) vips.Append(OfVip(vip));
  Json json = Json::Object();
  json.Set("version", status.version())
      .Set("taken_at_ms",
           Json::Number(static_cast<uint64_t>(absl::ToUnixMillis(snapshot.taken_at))))
      .Set("uptime_ms", Json::Number(status.uptime_ms()))
      .Set("config_version", Json::Number(status.config_version()))
      .Set("connected", Json::Bool(status.dataplane_connected()))
      .Set("generation", Json::Number(status.dataplane_generation()))
      .Set("wanted_generation", Json::Number(status.wanted_generation()))
      .Set("settling", Json::Bool(status.settling()))
      .Set("well", Json::Bool(status.problems().empty()))
      .Set("verdict", VerdictText(status))
      .Set("serving", ServingText(status.serving()))
      .Set("problems", std::move(problems))
      .Set("has_stats", Json::Bool(snapshot.has_stats))
      .Set("stats", snapshot.has_stats ? OfStats(snapshot.stats) : Json::Object())
      .Set("vips", std::move(vips))
      .Set("pools", std::move(pools));
  return json.ToString();
}

}  // namespace guideway
