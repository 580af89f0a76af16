// guideway pool ...
#include "absl/strings/str_cat.h"
#include "controlplane/cli/cli.h"
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
      .Set("table_size", Json::Number(pool.pool().table_size()))
      .Set("table_digest", pool.table_digest())
      .Set("healthy_backends", Json::Number(static_cast<uint64_t>(HealthyCount(pool))))
      .Set("total_backends", Json::Number(static_cast<uint64_t>(pool.backends_size())));
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
  v1::Pool pool;
  std::string name;
  std::string encapsulation = "l2";
  uint32_t table_size = 65537;
  std::string probe;
  uint32_t port = 0;
  std::string path;
  std::string interval;
  std::string timeout;
};

absl::Status SetDuration(const std::string& text, const char* option,
                         google::protobuf::Duration* duration) {
  const auto parsed = ParseDuration(text);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        option, ": ", text, " is not a duration; must have a unit, such as 500ms or 5s"));
  }
  *duration = ToProto(*parsed);
  return absl::OkStatus();
}

absl::Status CreatePool(Cli* cli, const CreateOptions& options) {
  v1::CreatePoolRequest request;
  v1::Pool* pool = request.mutable_pool();
  pool->set_name(options.name);
  pool->set_encapsulation(*ParseEnum<v1::Encapsulation>(options.encapsulation));
  pool->set_table_size(options.table_size);
  if (!options.probe.empty()) {
    v1::Probe* probe = pool->mutable_probe();
    probe->set_type(*ParseEnum<v1::ProbeType>(options.probe));
    probe->set_port(options.port);
    probe->set_path(options.path);
    if (!options.interval.empty()) {
      GW_RETURN_IF_ERROR(
          SetDuration(options.interval, "--probe-interval", probe->mutable_interval()));
    }
    if (!options.timeout.empty()) {
      GW_RETURN_IF_ERROR(SetDuration(options.timeout, "--probe-timeout", probe->mutable_timeout()));
    }
  }
  v1::ApplyResponse response;
  GW_RETURN_IF_ERROR(cli->client().Call(&v1::Guideway::Stub::CreatePool, request, &response));
  cli->PrintChange(response);
  return absl::OkStatus();
}

void AddCreate(Cli* cli, CLI::App* noun) {
  const auto options = std::make_shared<CreateOptions>();
  CLI::App* create = cli->AddCommand(noun, "create", "Create a pool without backends",
                                     [cli, options] { return CreatePool(cli, *options); });
  create->add_option("name", options->name, "Name of the new pool")->type_name("NAME")->required();
  create->add_option("--encapsulation", options->encapsulation, "How packets get to the backends")
      ->check(CLI::IsMember(EnumNames(*v1::Encapsulation_descriptor())))
      ->capture_default_str();
  create->add_option("--table-size", options->table_size, "Slots of the Maglev table, a prime")
      ->type_name("NUMBER")
      ->capture_default_str();
  CLI::Option* probe =
      create
          ->add_option("--probe", options->probe, "How health is found out; without it, not at all")
          ->check(CLI::IsMember(EnumNames(*v1::ProbeType_descriptor())));
  CLI::Option* port = create->add_option("--probe-port", options->port, "Port that is probed")
                          ->type_name("PORT")
                          ->needs(probe);
  probe->needs(port);
  create->add_option("--probe-path", options->path, "Path of the HTTP GET")
      ->type_name("PATH")
      ->needs(probe);
  create->add_option("--probe-interval", options->interval, "From one probe to the next")
      ->type_name("DURATION")
      ->needs(probe);
  create->add_option("--probe-timeout", options->timeout, "After this a probe has failed")
      ->type_name("DURATION")
      ->needs(probe);
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
