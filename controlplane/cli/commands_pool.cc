// guideway pool ...
#include "absl/strings/str_cat.h"
#include "controlplane/cli/cli.h"
#include "controlplane/cli/health_orders.h"
#include "controlplane/cli/pool_flags.h"
#include "controlplane/cli/state.h"
#include "controlplane/cli/table.h"
#include "controlplane/report/verdict.h"
#include "lib/base/status.h"
#include "lib/config/fields.h"
#include "lib/config/pool_probes.h"
#include "lib/config/printer.h"
#include "lib/config/schema.h"

namespace guideway::cli {

namespace {

Json PoolJson(const v1::PoolState& pool) {
  Json backends = Json::List();
  for (const v1::BackendState& backend : pool.backends()) {
    backends.Append(BackendJson(pool.pool().name(), backend));
  }
  const v1::ServingCounts counts = CountBackends(pool);
  Json json = Json::Object();
  json.Set("name", pool.pool().name())
      .Set("encapsulation", EnumName(pool.pool().encapsulation()))
      .Set("scheduler", EnumName(pool.pool().scheduler()))
      .Set("table_size", Json::Number(pool.pool().table_size()))
      .Set("table_digest", pool.table_digest())
      .Set("healthy_backends", Json::Number(counts.serving_backends()))
      .Set("meant_backends", Json::Number(counts.meant_backends()))
      .Set("total_backends", Json::Number(static_cast<uint64_t>(pool.backends_size())));
  json.Set("backups_serve", Json::Bool(pool.backups_serve()));
  if (pool.pool().has_slow_start()) {
    json.Set("slow_start", absl::FormatDuration(FromProto(pool.pool().slow_start())));
  }
  json.Set("failed_open", Json::Bool(pool.failed_open()))
      .Set("probes_paused", Json::Bool(pool.probes_paused()));
  if (pool.pool().has_probe()) json.Set("probe", Json::FromMessage(pool.pool().probe()));
  Json probes = Json::List();
  for (const v1::Probe& probe : pool.pool().probes()) probes.Append(Json::FromMessage(probe));
  if (pool.pool().probes_size() > 0) json.Set("probes", std::move(probes));
  json.Set("backends", std::move(backends));
  return json;
}

std::string HealthyText(const v1::PoolState& pool) {
  const v1::ServingCounts counts = CountBackends(pool);
  if (counts.meant_backends() > 0 && counts.unprobed_backends() == counts.meant_backends()) {
    return absl::StrCat(counts.meant_backends(), " not probed");
  }
  return absl::StrCat(counts.serving_backends(), "/", counts.meant_backends());
}

absl::Status ListPools(Cli* cli) {
  GW_ASSIGN_OR_RETURN(const v1::GetStateResponse state, FetchState(&cli->client()));
  Table table({"name", "encapsulation", ">healthy", ">table size", "digest"});
  Json list = Json::List();
  for (const v1::PoolState& pool : state.pools()) {
    list.Append(PoolJson(pool));
    table.Add({pool.pool().name(), EnumName(pool.pool().encapsulation()), HealthyText(pool),
               absl::StrCat(pool.pool().table_size()), pool.table_digest()});
  }
  cli->out() << (cli->json() ? list.ToString() : table.ToString());
  return absl::OkStatus();
}

// "http port=80 path=/healthz ...": the fields of a probe in one line.
std::string ProbeText(const v1::Probe& probe) {
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  probe.GetReflection()->ListFields(probe, &fields);
  std::string text;
  for (const auto* field : fields) {
    absl::StrAppend(&text, text.empty() ? "" : " ",
                    field->name() == "type" ? "" : field->name() + "=", ValueText(probe, *field));
  }
  return text;
}

// A line for each probe, with what comes of them.
using Lines = std::vector<std::pair<std::string, std::string>>;
void AppendProbes(const v1::PoolState& pool, Lines* lines) {
  const std::vector<const v1::Probe*> probes = ProbesOf(pool.pool());
  if (probes.empty()) lines->emplace_back("probe", "none, every backend is taken as healthy");
  for (const v1::Probe* probe : probes) lines->emplace_back("probe", ProbeText(*probe));
  if (pool.pool().probes_size() > 1) {
    lines->emplace_back("probes needed", EnumName(pool.pool().probes_needed()));
  }
  if (pool.probes_paused()) lines->emplace_back("probes", "paused");
  if (pool.pool().has_ejection_limit()) {
    const v1::EjectionLimit& limit = pool.pool().ejection_limit();
    lines->emplace_back(
        "ejection limit",
        absl::StrCat(limit.percent(), " % in ", absl::FormatDuration(FromProto(limit.interval()))));
  }
  if (pool.pool().fail_open_below() > 0) {
    lines->emplace_back("fails open", absl::StrCat("below ", pool.pool().fail_open_below(), " %"));
  }
  lines->emplace_back("healthy",
                      absl::StrCat(HealthyText(pool), pool.failed_open() ? ", failed open" : ""));
}

std::string SchedulerText(const v1::Pool& pool) {
  std::string text = EnumName(pool.scheduler());
  if (pool.scheduler() == v1::MAGLEV_SOURCE) {
    absl::StrAppend(&text, " of /", pool.source_prefix_length_ipv4(), " and IPv6 /",
                    pool.source_prefix_length_ipv6());
  }
  return text;
}

std::string SlowStartText(const v1::Pool& pool) {
  return pool.has_slow_start() ? absl::FormatDuration(FromProto(pool.slow_start())) : "none";
}

absl::Status ShowPool(Cli* cli, const std::string& name) {
  GW_ASSIGN_OR_RETURN(const v1::GetStateResponse state, FetchState(&cli->client()));
  GW_ASSIGN_OR_RETURN(const v1::PoolState* pool, FindPool(state, name));
  if (cli->json()) {
    cli->out() << PoolJson(*pool).ToString();
    return absl::OkStatus();
  }
  std::string vips;
  for (const v1::VipState& vip : state.vips()) {
    if (vip.vip().pool() == name)
      absl::StrAppend(&vips, vips.empty() ? "" : ", ", vip.vip().name());
  }
  Lines lines = {{"name", name},
                 {"encapsulation", EnumName(pool->pool().encapsulation())},
                 {"scheduler", SchedulerText(pool->pool())},
                 {"slow start", SlowStartText(pool->pool())},
                 {"table size", absl::StrCat(pool->pool().table_size())},
                 {"digest", pool->table_digest()},
                 {"vips", vips}};
  AppendProbes(*pool, &lines);
  cli->out() << KeyValues(lines) << "\n" << BackendTable(state, pool);
  return absl::OkStatus();
}

// What `pool create` parses into.
struct CreateOptions {
  std::string name;
  PoolFlagValues flags;
  CLI::App* command = nullptr;
};

absl::Status CreatePool(Cli* cli, const CreateOptions& options) {
  v1::CreatePoolRequest request;
  request.mutable_pool()->set_name(options.name);
  GW_RETURN_IF_ERROR(FillPool(options.flags, *options.command, request.mutable_pool()));
  v1::ApplyResponse response;
  GW_RETURN_IF_ERROR(cli->client().Call(&v1::Guideway::Stub::CreatePool, request, &response));
  cli->PrintChange(response);
  return absl::OkStatus();
}

void AddCreate(Cli* cli, CLI::App* noun) {
  const auto options = std::make_shared<CreateOptions>();
  options->command = cli->AddCommand(noun, "create", "Create a pool without backends",
                                     [cli, options] { return CreatePool(cli, *options); });
  options->command->add_option("name", options->name, "Name of the new pool")
      ->type_name("NAME")
      ->required();
  AddPoolFlags(options->command, &options->flags);
}

}  // namespace

void AddPoolCommands(Cli* cli) {
  CLI::App* noun = cli->AddNoun("pool", "Pools: groups of backends that serve the same");
  cli->AddCommand(noun, "list", "List the pools", [cli] { return ListPools(cli); });
  const auto name = std::make_shared<std::string>();
  cli->AddCommand(noun, "show", "Show one pool and its backends",
                  [cli, name] { return ShowPool(cli, *name); })
      ->add_option("name", *name, "Name of the pool")
      ->type_name(kPoolType)
      ->required();
  AddCreate(cli, noun);
  cli->AddCommand(noun, "delete", "Delete a pool that no VIP uses, with its backends",
                  [cli, name]() -> absl::Status {
                    v1::DeletePoolRequest request;
                    request.set_pool(*name);
                    v1::ApplyResponse response;
                    GW_RETURN_IF_ERROR(
                        cli->client().Call(&v1::Guideway::Stub::DeletePool, request, &response));
                    cli->PrintChange(response);
                    return absl::OkStatus();
                  })
      ->add_option("name", *name, "Name of the pool")
      ->type_name(kPoolType)
      ->required();
  AddPauseProbes(cli, noun);
}

}  // namespace guideway::cli
