// See state.h.
#include "controlplane/cli/state.h"

#include "absl/strings/str_cat.h"
#include "controlplane/cli/table.h"
#include "lib/base/status.h"
#include "lib/config/formats.h"
#include "lib/config/schema.h"

namespace guideway::cli {

absl::StatusOr<v1::GetStateResponse> FetchState(Client* client) {
  v1::GetStateResponse state;
  GW_RETURN_IF_ERROR(client->Call(&v1::Guideway::Stub::GetState, v1::GetStateRequest(), &state));
  return state;
}

absl::StatusOr<const v1::PoolState*> FindPool(const v1::GetStateResponse& state,
                                              const std::string& name) {
  std::vector<std::string> names;
  for (const v1::PoolState& pool : state.pools()) {
    if (pool.pool().name() == name) return &pool;
    names.push_back(pool.pool().name());
  }
  const std::string nearest = NearestName(name, names);
  return absl::NotFoundError(absl::StrCat(
      "there is no pool ", Quote(name), nearest.empty() ? "" : ", did you mean " + nearest + "?"));
}

absl::StatusOr<const v1::BackendState*> FindBackend(const v1::PoolState& pool,
                                                    const std::string& name) {
  std::vector<std::string> names;
  for (const v1::BackendState& backend : pool.backends()) {
    if (backend.backend().name() == name) return &backend;
    names.push_back(backend.backend().name());
  }
  const std::string nearest = NearestName(name, names);
  return absl::NotFoundError(
      absl::StrCat("there is no backend ", Quote(name), " in pool ", Quote(pool.pool().name()),
                   nearest.empty() ? "" : ", did you mean " + nearest + "?"));
}

std::string HealthText(v1::Health health) {
  switch (health) {
    case v1::HEALTH_HEALTHY:
      return "healthy";
    case v1::HEALTH_UNHEALTHY:
      return "unhealthy";
    case v1::HEALTH_UNPROBED:
      return "unprobed";
    case v1::HEALTH_EJECTED:
      return "ejected";
    default:
      return "unknown";
  }
}

void SetTraffic(const v1::Traffic& traffic, Json* json) {
  json->Set("packets", Json::Number(traffic.packets()))
      .Set("bytes", Json::Number(traffic.bytes()))
      .Set("new_flows", Json::Number(traffic.new_flows()));
}

void SetOthers(const v1::OtherVerdicts& others, Json* json) {
  Json drops = Json::Object();
  for (const v1::NamedValue& drop : others.drops()) {
    drops.Set(drop.name(), Json::Number(drop.value()));
  }
  json->Set("to_kernel_packets", Json::Number(others.to_kernel_packets()))
      .Set("answered_packets", Json::Number(others.answered_packets()))
      .Set("drop_total", Json::Number(others.drop_total()))
      .Set("drops", std::move(drops));
}

std::vector<std::pair<std::string, uint64_t>> FlowCountsOf(const v1::BackendState& backend) {
  const v1::FlowCounts& flows = backend.flows();
  return {{"active_flows", flows.active_flows()},
          {"syn_retransmissions", flows.syn_retransmissions()},
          {"unanswered_flows", flows.unanswered_flows()},
          {"client_resets", flows.client_resets()},
          {"overflowed_flows", flows.overflowed_flows()},
          {"over_limit_flows", flows.over_limit_flows()}};
}

Json BackendJson(const std::string& pool, const v1::BackendState& backend) {
  Json json = Json::Object();
  json.Set("pool", pool)
      .Set("name", backend.backend().name())
      .Set("address", backend.backend().address())
      .Set("weight", Json::Number(backend.backend().weight()))
      .Set("state", EnumName(backend.backend().state()))
      .Set("server_id", backend.backend().server_id())
      .Set("health", HealthText(backend.health()))
      .Set("health_reason", backend.health_reason())
      .Set("health_age_ms", Json::Number(backend.health_age_ms()))
      .Set("backup", Json::Bool(backend.backend().backup()))
      .Set("disable_at", backend.backend().disable_at())
      .Set("ejected_for_ms", Json::Number(backend.ejected_for_ms()))
      .Set("ejections", Json::Number(backend.ejections()))
      .Set("share", Json::Fraction(backend.share()))
      .Set("slow_start_step", Json::Number(backend.slow_start_step()))
      .Set("next_hop", backend.next_hop())
      .Set("unreachable", Json::Bool(backend.unreachable()))
      .Set("health_forced", Json::Bool(backend.health_forced()))
      .Set("ejection_held", Json::Bool(backend.ejection_held()));
  SetTraffic(backend.traffic(), &json);
  for (const auto& [name, value] : FlowCountsOf(backend)) json.Set(name, Json::Number(value));
  return json;
}

std::string BackendTable(const v1::GetStateResponse& state, const v1::PoolState* only) {
  std::vector<std::string> headings = {"name",     "address", ">weight",    "state",
                                       "health",   ">for",    "last probe", ">share",
                                       ">packets", ">flows",  "next hop"};
  if (only == nullptr) headings.insert(headings.begin(), "pool");
  Table table(headings);
  for (const v1::PoolState& pool : state.pools()) {
    if (only != nullptr && &pool != only) continue;
    for (const v1::BackendState& backend : pool.backends()) {
      const v1::Backend& b = backend.backend();
      std::vector<std::string> cells = {b.name(),
                                        b.address(),
                                        absl::StrCat(b.weight()),
                                        EnumName(b.state()),
                                        HealthText(backend.health()),
                                        AgeText(backend.health_age_ms()),
                                        backend.health_reason(),
                                        PercentText(backend.share()),
                                        absl::StrCat(backend.traffic().packets()),
                                        absl::StrCat(backend.flows().active_flows()),
                                        backend.next_hop()};
      if (only == nullptr) cells.insert(cells.begin(), pool.pool().name());
      table.Add(std::move(cells));
    }
  }
  return table.ToString();
}

}  // namespace guideway::cli
