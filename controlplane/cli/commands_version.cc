// guideway confirm, history, rollback: the kept versions of the configuration.
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "controlplane/cli/change_safety.h"
#include "controlplane/cli/cli.h"
#include "controlplane/cli/table.h"
#include "lib/base/status.h"

namespace guideway::cli {

namespace {

struct RollbackOptions {
  uint64_t version = 0;
  bool force = false;
  std::string confirm_within;
};

absl::Status Confirm(Cli* cli) {
  v1::ConfirmResponse response;
  GW_RETURN_IF_ERROR(
      cli->client().Call(&v1::Guideway::Stub::Confirm, v1::ConfirmRequest(), &response));
  if (cli->json()) {
    cli->out() << Json::FromMessage(response).ToString();
  } else {
    cli->out() << "version " << response.version() << " stays\n";
  }
  return absl::OkStatus();
}

std::string StateOf(const v1::ConfigVersion& version) {
  if (!version.problem().empty()) return "damaged";
  if (version.awaits_confirmation()) return "unconfirmed";
  return version.in_force() ? "in force" : "";
}

absl::Status History(Cli* cli) {
  v1::GetHistoryResponse response;
  GW_RETURN_IF_ERROR(
      cli->client().Call(&v1::Guideway::Stub::GetHistory, v1::GetHistoryRequest(), &response));
  if (cli->json()) {
    cli->out() << Json::FromMessage(response).ToString();
    return absl::OkStatus();
  }
  Table table({">version", "accepted", "who", "how", "state", "changes"});
  for (const v1::ConfigVersion& version : response.versions()) {
    const absl::Time accepted =
        absl::FromUnixMillis(static_cast<int64_t>(version.accepted_unix_ms()));
    table.Add({absl::StrCat(version.version()),
               version.problem().empty()
                   ? absl::FormatTime("%Y-%m-%d %H:%M:%S", accepted, absl::LocalTimeZone())
                   : "",
               version.who(), version.action(), StateOf(version),
               version.problem().empty() ? version.note() : version.problem()});
  }
  cli->out() << table.ToString();
  return absl::OkStatus();
}

absl::Status Rollback(Cli* cli, const RollbackOptions& options) {
  v1::RollbackRequest request;
  request.set_version(options.version);
  request.set_force(options.force);
  GW_RETURN_IF_ERROR(SetConfirmWithin(options.confirm_within, request.mutable_confirm_within()));
  v1::ApplyResponse response;
  GW_RETURN_IF_ERROR(cli->client().Call(&v1::Guideway::Stub::Rollback, request, &response));
  cli->PrintChange(response);
  SayWait(cli, response, options.confirm_within);
  return absl::OkStatus();
}

}  // namespace

void AddVersionCommands(Cli* cli) {
  cli->AddCommand(&cli->app(), "confirm", "Keep the version that was applied with --confirm-within",
                  [=] { return Confirm(cli); });
  cli->AddCommand(&cli->app(), "history", "List the kept versions of the configuration",
                  [=] { return History(cli); });
  const auto options = std::make_shared<RollbackOptions>();
  CLI::App* rollback = cli->AddCommand(&cli->app(), "rollback",
                                       "Put a kept version in force again, as a new version",
                                       [=] { return Rollback(cli, *options); });
  rollback->add_option("version", options->version, "Number of the version, see `history`")
      ->type_name("VERSION")
      ->required();
  rollback->add_flag("--force", options->force, kForceHelp);
  AddConfirmWithin(rollback, &options->confirm_within);
}

}  // namespace guideway::cli
