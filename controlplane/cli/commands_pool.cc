// guideway pool ...
#include "absl/strings/str_cat.h"
#include "controlplane/cli/cli.h"
#include "controlplane/cli/pool_flags.h"
#include "controlplane/cli/state.h"
#include "controlplane/cli/table.h"
#include "lib/base/status.h"
#include "lib/config/fields.h"
#include "lib/config/printer.h"
#include "lib/config/schema.h"

namespace guideway::cli {

namespace {

Json PoolJson(const v1::PoolState& pool) {
  Json backends = Json::List();
  for (const v1::BackendState& backend : pool.backends()) {
    backends.Append(BackendJson(pool.pool().name(), backend));
  }
  Json json = Json::Object();
  json.Set("name", pool.pool().name())
      .Set("encapsulation", EnumName(pool.pool().encapsulation()))
      .Set("scheduler", EnumName(pool.pool().scheduler()))
      .Set("table_size", Json::Number(pool.pool().table_size()))
      .Set("table_digest", pool.table_digest())
      .Set("healthy_backends", Json::Number(static_cast<uint64_t>(HealthyCount(pool))))
      .Set("total_backends", Json::Number(static_cast<uint64_t>(pool.backends_size())));
  json.Set("backups_serve", Json::Bool(pool.backups_serve()));
  if (pool.pool().has_slow_start()) {
    json.Set("slow_start", absl::FormatDuration(FromProto(pool.pool().slow_start())));
  }
  if (pool.pool().has_probe()) json.Set("probe", Json::FromMessage(pool.pool().probe()));
  json.Set("backends", std::move(backends));
  return json;
}

std::string HealthyText(const v1::PoolState& pool) {
  return absl::StrCat(HealthyCount(pool), "/", pool.backends_size());
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

// "http port=80 path=/healthz ...": the fields of the probe in one line.
std::string ProbeText(const v1::Pool& pool) {
  if (!pool.has_probe()) return "none, every backend is taken as healthy";
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  pool.probe().GetReflection()->ListFields(pool.probe(), &fields);
  std::string text;
  for (const auto* field : fields) {
    absl::StrAppend(&text, text.empty() ? "" : " ",
                    field->name() == "type" ? "" : field->name() + "=",
                    ValueText(pool.probe(), *field));
  }
  return text;
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
  cli->out() << KeyValues({{"name", name},
                           {"encapsulation", EnumName(pool->pool().encapsulation())},
                           {"scheduler", SchedulerText(pool->pool())},
                           {"slow start", SlowStartText(pool->pool())},
                           {"table size", absl::StrCat(pool->pool().table_size())},
                           {"digest", pool->table_digest()},
                           {"vips", vips},
                           {"probe", ProbeText(pool->pool())},
                           {"healthy", HealthyText(*pool)}})
             << "\n"
             << BackendTable(state, pool);
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
}

}  // namespace guideway::cli
