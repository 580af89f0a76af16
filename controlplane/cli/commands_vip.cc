// guideway vip ...
#include "absl/strings/str_cat.h"
#include "controlplane/cli/cli.h"
#include "controlplane/cli/state.h"
#include "controlplane/cli/table.h"
#include "controlplane/report/verdict.h"
#include "lib/base/status.h"
#include "lib/config/formats.h"
#include "lib/config/schema.h"

namespace guideway::cli {

namespace {

// Without the key.
Json QuicLbJson(const v1::Vip& vip) {
  Json list = Json::List();
  for (const v1::QuicLb& config : vip.quic_lb()) {
    Json json = Json::Object();
    json.Set("config_id", Json::Number(config.config_id()))
        .Set("server_id_length", Json::Number(config.server_id_length()))
        .Set("nonce_length", Json::Number(config.nonce_length()))
        .Set("encrypted", Json::Bool(!config.key().empty()));
    list.Append(std::move(json));
  }
  return list;
}

Json VipJson(const v1::VipState& vip) {
  Json json = Json::Object();
  json.Set("name", vip.vip().name())
      .Set("address", vip.vip().address())
      .Set("port", Json::Number(vip.vip().port()))
      .Set("protocol", EnumName(vip.vip().protocol()))
      .Set("pool", vip.vip().pool())
      .Set("max_segment_size", Json::Number(vip.vip().max_segment_size()))
      .Set("quic_lb", QuicLbJson(vip.vip()))
      .Set("announced", Json::Bool(vip.announced()));
  SetTraffic(vip.traffic(), &json);
  SetOthers(vip.others(), &json);
  return json;
}

std::string PortText(const v1::Vip& vip) {
  return vip.port() == 0 ? "any" : absl::StrCat(vip.port());
}

absl::Status ListVips(Cli* cli) {
  GW_ASSIGN_OR_RETURN(const v1::GetStateResponse state, FetchState(&cli->client()));
  Table table({"name", "address", ">port", "protocol", "pool", ">packets", ">bytes", ">new flows"});
  Json list = Json::List();
  for (const v1::VipState& vip : state.vips()) {
    list.Append(VipJson(vip));
    table.Add({vip.vip().name(), vip.vip().address(), PortText(vip.vip()),
               EnumName(vip.vip().protocol()), vip.vip().pool(),
               absl::StrCat(vip.traffic().packets()), absl::StrCat(vip.traffic().bytes()),
               absl::StrCat(vip.traffic().new_flows())});
  }
  cli->out() << (cli->json() ? list.ToString() : table.ToString());
  return absl::OkStatus();
}

// What the VIP has beyond the usual; nothing of what it has not.
std::vector<std::pair<std::string, std::string>> Extras(const v1::Vip& vip) {
  std::vector<std::pair<std::string, std::string>> extras;
  if (vip.has_max_segment_size()) {
    extras.emplace_back("segments", absl::StrCat("at most ", vip.max_segment_size(), " bytes"));
  }
  for (const v1::QuicLb& config : vip.quic_lb()) {
    extras.emplace_back(
        absl::StrCat("quic-lb ", config.config_id()),
        absl::StrCat("server IDs of ", config.server_id_length(), " bytes, nonces of ",
                     config.nonce_length(), ", ", config.key().empty() ? "plain" : "encrypted"));
  }
  return extras;
}

// What became of the packets that were not forwarded; nothing if there were none.
std::string OthersTable(const v1::OtherVerdicts& others) {
  Table table({"not forwarded", ">packets", "meaning"});
  if (others.to_kernel_packets() > 0) {
    table.Add({"to kernel", absl::StrCat(others.to_kernel_packets()), ""});
  }
  if (others.answered_packets() > 0) {
    table.Add({"answered", absl::StrCat(others.answered_packets()), ""});
  }
  for (const v1::NamedValue& drop : others.drops()) {
    table.Add({"drop: " + drop.name(), absl::StrCat(drop.value()), drop.help()});
  }
  const bool any = others.to_kernel_packets() + others.answered_packets() + others.drop_total() > 0;
  return any ? "\n" + table.ToString() : "";
}

absl::Status ShowVip(Cli* cli, const std::string& name) {
  GW_ASSIGN_OR_RETURN(const v1::GetStateResponse state, FetchState(&cli->client()));
  for (const v1::VipState& vip : state.vips()) {
    if (vip.vip().name() != name) continue;
    if (cli->json()) {
      cli->out() << VipJson(vip).ToString();
      return absl::OkStatus();
    }
    const auto pool = FindPool(state, vip.vip().pool());
    std::vector<std::pair<std::string, std::string>> lines = {
        {"name", name},
        {"address", vip.vip().address()},
        {"port", PortText(vip.vip())},
        {"protocol", EnumName(vip.vip().protocol())},
        {"pool", vip.vip().pool()},
        {"backends", pool.ok() ? BackendsText(CountBackends(**pool)) : ""},
        {"packets", absl::StrCat(vip.traffic().packets())},
        {"bytes", absl::StrCat(vip.traffic().bytes())},
        {"new flows", absl::StrCat(vip.traffic().new_flows())},
        {"dropped", absl::StrCat(vip.others().drop_total())}};
    if (vip.vip().withdraw_below() > 0) {
      lines.emplace_back("announced",
                         absl::StrCat(vip.announced() ? "yes" : "no", ", ", vip.healthy_backends(),
                                      " of ", vip.enabled_backends(), " healthy"));
    }
    for (auto& extra : Extras(vip.vip())) lines.push_back(std::move(extra));
    cli->out() << KeyValues(lines);
    cli->out() << OthersTable(vip.others());
    return absl::OkStatus();
  }
  return absl::NotFoundError(absl::StrCat("there is no VIP ", Quote(name)));
}

struct SwitchOptions {
  std::string vip;
  std::string pool;
  std::vector<std::string> also;
  bool force = false;
};

// A switch to a pool that cannot serve is a mistake nearly always.
absl::Status CheckCanServe(Cli* cli, const std::string& name) {
  GW_ASSIGN_OR_RETURN(const v1::GetStateResponse state, FetchState(&cli->client()));
  GW_ASSIGN_OR_RETURN(const v1::PoolState* pool, FindPool(state, name));
  const v1::ServingCounts counts = CountBackends(*pool);
  if (counts.serving_backends() + counts.unprobed_backends() > 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("pool ", name, " has no backend that is enabled and healthy; --force switches"));
}

absl::Status SwitchVip(Cli* cli, const SwitchOptions& options) {
  if (!options.force) GW_RETURN_IF_ERROR(CheckCanServe(cli, options.pool));
  v1::SwitchVipRequest request;
  request.add_vips(options.vip);
  for (const std::string& vip : options.also) request.add_vips(vip);
  request.set_pool(options.pool);
  v1::ApplyResponse response;
  GW_RETURN_IF_ERROR(cli->client().Call(&v1::Guideway::Stub::SwitchVip, request, &response));
  cli->PrintChange(response);
  return absl::OkStatus();
}

void AddSwitch(Cli* cli, CLI::App* noun) {
  const auto options = std::make_shared<SwitchOptions>();
  CLI::App* command = cli->AddCommand(
      noun, "switch", "Send a VIP's new flows to another pool; known flows stay where they are",
      [cli, options] { return SwitchVip(cli, *options); });
  command->add_option("vip", options->vip, "Name of the VIP")->type_name(kVipType)->required();
  command->add_option("pool", options->pool, "Name of the pool that serves from now on")
      ->type_name(kPoolType)
      ->required();
  command
      ->add_option("--also", options->also,
                   "Another VIP to be switched at the same moment; may be repeated")
      ->type_name(kVipType)
      ->expected(1)
      ->take_all();
  command->add_flag("--force", options->force,
                    "Also to a pool without a backend that is enabled and healthy");
}

}  // namespace

void AddVipCommands(Cli* cli) {
  CLI::App* noun = cli->AddNoun("vip", "VIPs: the addresses under which clients reach the pools");
  cli->AddCommand(noun, "list", "List the VIPs with their traffic",
                  [cli] { return ListVips(cli); });
  const auto name = std::make_shared<std::string>();
  cli->AddCommand(noun, "show", "Show one VIP", [cli, name] { return ShowVip(cli, *name); })
      ->add_option("name", *name, "Name of the VIP")
      ->type_name(kVipType)
      ->required();
  AddSwitch(cli, noun);
}

}  // namespace guideway::cli
