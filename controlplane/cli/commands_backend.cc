// guideway backend ...
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "controlplane/cli/cli.h"
#include "controlplane/cli/health_orders.h"
#include "controlplane/cli/state.h"
#include "controlplane/cli/table.h"
#include "lib/base/status.h"
#include "lib/config/formats.h"
#include "lib/config/schema.h"

namespace guideway::cli {

namespace {

// What the commands parse into; a run uses one command only.
struct BackendOptions {
  std::string pool;
  std::string name;
  std::string address;
  uint32_t weight = 100;
  std::string weight_or_share;
  std::string state = "enabled";
  std::string server_id;
  bool backup = false;
};
using Options = std::shared_ptr<BackendOptions>;

absl::Status ListBackends(Cli* cli, const std::string& pool_name) {
  GW_ASSIGN_OR_RETURN(const v1::GetStateResponse state, FetchState(&cli->client()));
  const v1::PoolState* only = nullptr;
  if (!pool_name.empty()) {
    GW_ASSIGN_OR_RETURN(only, FindPool(state, pool_name));
  }
  if (!cli->json()) {
    cli->out() << BackendTable(state, only);
    return absl::OkStatus();
  }
  Json list = Json::List();
  for (const v1::PoolState& pool : state.pools()) {
    if (only != nullptr && only != &pool) continue;
    for (const v1::BackendState& backend : pool.backends()) {
      list.Append(BackendJson(pool.pool().name(), backend));
    }
  }
  cli->out() << list.ToString();
  return absl::OkStatus();
}

absl::Status ShowBackend(Cli* cli, const BackendOptions& options) {
  GW_ASSIGN_OR_RETURN(const v1::GetStateResponse state, FetchState(&cli->client()));
  GW_ASSIGN_OR_RETURN(const v1::PoolState* pool, FindPool(state, options.pool));
  GW_ASSIGN_OR_RETURN(const v1::BackendState* backend, FindBackend(*pool, options.name));
  if (cli->json()) {
    cli->out() << BackendJson(options.pool, *backend).ToString();
    return absl::OkStatus();
  }
  const v1::Backend& b = backend->backend();
  std::vector<std::pair<std::string, std::string>> lines = {
      {"pool", options.pool},
      {"name", b.name()},
      {"address", b.address()},
      {"weight", absl::StrCat(b.weight())},
      {"state", EnumName(b.state())},
      {"health",
       absl::StrCat(HealthText(backend->health()), " for ", AgeText(backend->health_age_ms()))},
      {"reason", backend->health_reason()},
      {"share", PercentText(backend->share())},
      {"next hop", backend->next_hop()},
      {"packets", absl::StrCat(backend->traffic().packets())},
      {"bytes", absl::StrCat(backend->traffic().bytes())},
      {"new flows", absl::StrCat(backend->traffic().new_flows())}};
  for (const auto& [name, value] : FlowCountsOf(*backend)) {
    lines.emplace_back(absl::StrReplaceAll(name, {{"_", " "}}), absl::StrCat(value));
  }
  cli->out() << KeyValues(lines);
  return absl::OkStatus();
}

template <typename Request>
absl::Status Change(Cli* cli,
                    grpc::Status (v1::Guideway::Stub::*method)(grpc::ClientContext*, const Request&,
                                                               v1::ApplyResponse*),
                    const Request& request) {
  v1::ApplyResponse response;
  GW_RETURN_IF_ERROR(cli->client().Call(method, request, &response));
  cli->PrintChange(response);
  return absl::OkStatus();
}

absl::Status AddBackend(Cli* cli, const BackendOptions& options) {
  v1::AddBackendRequest request;
  request.set_pool(options.pool);
  request.mutable_backend()->set_name(options.name);
  request.mutable_backend()->set_address(options.address);
  request.mutable_backend()->set_weight(options.weight);
  request.mutable_backend()->set_server_id(options.server_id);
  request.mutable_backend()->set_backup(options.backup);
  request.mutable_backend()->set_state(*ParseEnum<v1::AdminState>(options.state));
  return Change(cli, &v1::Guideway::Stub::AddBackend, request);
}

absl::Status RemoveBackend(Cli* cli, const BackendOptions& options) {
  v1::RemoveBackendRequest request;
  request.set_pool(options.pool);
  request.set_backend(options.name);
  return Change(cli, &v1::Guideway::Stub::RemoveBackend, request);
}

// "250" or "2.5%".
std::string CheckWeight(const std::string& text) {
  double percent = 0;
  uint32_t weight = 0;
  const bool ok = !text.empty() && text.back() == '%'
                      ? absl::SimpleAtod(text.substr(0, text.size() - 1), &percent)
                      : absl::SimpleAtoi(text, &weight);
  return ok ? "" : absl::StrCat("weight: ", Quote(text), " is neither a whole number nor like 5%");
}

absl::Status SetWeight(Cli* cli, const BackendOptions& options) {
  v1::SetBackendRequest request;
  request.set_pool(options.pool);
  request.set_backend(options.name);
  std::string text = options.weight_or_share;
  double percent = 0;
  uint32_t weight = 0;
  if (!text.empty() && text.back() == '%') {
    text.pop_back();
    (void)absl::SimpleAtod(text, &percent);  // checked by the parser
    request.set_share_percent(percent);
  } else {
    (void)absl::SimpleAtoi(text, &weight);
    request.set_weight(weight);
  }
  return Change(cli, &v1::Guideway::Stub::SetBackend, request);
}

absl::Status SetState(Cli* cli, const BackendOptions& options, v1::AdminState state) {
  v1::SetBackendRequest request;
  request.set_pool(options.pool);
  request.set_backend(options.name);
  request.set_state(state);
  return Change(cli, &v1::Guideway::Stub::SetBackend, request);
}

// A command about one existing backend.
CLI::App* AddOne(Cli* cli, CLI::App* noun, const Options& options, const std::string& name,
                 const std::string& help, Cli::Action action) {
  CLI::App* command = cli->AddCommand(noun, name, help, std::move(action));
  command->add_option("pool", options->pool, "Name of the pool")->type_name(kPoolType)->required();
  command->add_option("backend", options->name, "Name of the backend")
      ->type_name(kBackendType)
      ->required();
  return command;
}

}  // namespace

void AddBackendCommands(Cli* cli) {
  CLI::App* noun = cli->AddNoun("backend", "Backends: the servers of a pool");
  const auto options = std::make_shared<BackendOptions>();
  cli->AddCommand(noun, "list", "List the backends with their health and share of new flows",
                  [=] { return ListBackends(cli, options->pool); })
      ->add_option("pool", options->pool, "Only the backends of this pool")
      ->type_name(kPoolType);

  AddOne(cli, noun, options, "show", "Show one backend and what becomes of its flows",
         [=] { return ShowBackend(cli, *options); });

  CLI::App* add = cli->AddCommand(noun, "add", "Add a backend to a pool",
                                  [=] { return AddBackend(cli, *options); });
  add->add_option("pool", options->pool, "Name of the pool")->type_name(kPoolType)->required();
  add->add_option("backend", options->name, "Name of the new backend")
      ->type_name("NAME")
      ->required();
  add->add_option("address", options->address, "Its IPv4 or IPv6 address")
      ->type_name("ADDRESS")
      ->required();
  add->add_option("--weight", options->weight, "Share of new flows relative to the others")
      ->type_name("NUMBER")
      ->capture_default_str();
  add->add_option("--state", options->state, "What it starts as")
      ->check(CLI::IsMember(EnumNames(*v1::AdminState_descriptor())))
      ->capture_default_str();
  add->add_flag("--backup", options->backup,
                "Gets new flows only while no other backend can take any");
  add->add_option("--server-id", options->server_id, "QUIC-LB: its server ID, in hexadecimal")
      ->type_name("HEX");

  AddOne(cli, noun, options, "remove",
         "Remove a backend; established flows stay with it while known",
         [=] { return RemoveBackend(cli, *options); });
  AddOne(cli, noun, options, "weight", "Change a backend's share of new flows",
         [=] { return SetWeight(cli, *options); })
      ->add_option("weight", options->weight_or_share,
                   "From 0 (no new flows) to 10000; or a share of the pool's new flows, such as 5%")
      ->check(CLI::Validator(CheckWeight, "WEIGHT"))
      ->type_name("WEIGHT")
      ->required();
  AddDrainCommand(cli, noun);
  AddOne(cli, noun, options, "enable", "Take flows while healthy",
         [=] { return SetState(cli, *options, v1::ENABLED); });
  AddOne(cli, noun, options, "disable", "Take nothing; its flows are selected anew",
         [=] { return SetState(cli, *options, v1::DISABLED); });
  AddForceHealth(cli, noun);
}

}  // namespace guideway::cli
