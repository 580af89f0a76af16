// guideway check, diff, apply, config show: whole configurations.
#include "absl/strings/str_cat.h"
#include "controlplane/cli/change_safety.h"
#include "controlplane/cli/cli.h"
#include "controlplane/cli/local_reach.h"
#include "controlplane/cli/table.h"
#include "lib/base/status.h"
#include "lib/config/load.h"
#include "lib/config/printer.h"

namespace guideway::cli {

namespace {

struct ApplyOptions {
  std::string file;
  bool force = false;
  std::string confirm_within;
};

absl::Status Apply(Cli* cli, const ApplyOptions& options) {
  v1::ApplyRequest request;
  // Read here, so that problems are named with the file's lines and columns.
  GW_ASSIGN_OR_RETURN(*request.mutable_config(), LoadConfigFile(options.file));
  request.set_force(options.force);
  GW_RETURN_IF_ERROR(SetConfirmWithin(options.confirm_within, request.mutable_confirm_within()));
  v1::ApplyResponse response;
  GW_RETURN_IF_ERROR(cli->client().Call(&v1::Guideway::Stub::Apply, request, &response));
  cli->PrintChange(response);
  SayWait(cli, response, options.confirm_within);
  return absl::OkStatus();
}

absl::StatusOr<v1::ApplyResponse> DryRun(Cli* cli, v1::Config config) {
  v1::ApplyRequest request;
  *request.mutable_config() = std::move(config);
  request.set_dry_run(true);
  v1::ApplyResponse response;
  GW_RETURN_IF_ERROR(cli->client().Call(&v1::Guideway::Stub::Apply, request, &response));
  return response;
}

absl::Status Diff(Cli* cli, const std::string& file) {
  GW_ASSIGN_OR_RETURN(v1::Config config, LoadConfigFile(file));
  GW_ASSIGN_OR_RETURN(const v1::ApplyResponse response, DryRun(cli, std::move(config)));
  PrintDiff(cli, response);
  return absl::OkStatus();
}

absl::Status Check(Cli* cli, const std::string& file) {
  GW_ASSIGN_OR_RETURN(const v1::Config config, LoadConfigFile(file));
  const auto dry_run = DryRun(cli, config);
  // What the file says by itself is checked; what a data plane can hold only the daemon knows.
  if (!dry_run.ok() && !absl::IsUnavailable(dry_run.status())) return dry_run.status();
  if (dry_run.ok() && dry_run->beyond_capacity_size() > 0) {
    std::string reasons;
    for (const std::string& reason : dry_run->beyond_capacity()) {
      absl::StrAppend(&reasons, reasons.empty() ? "" : "; ", reason);
    }
    return absl::FailedPreconditionError(absl::StrCat(file, ": beyond capacity: ", reasons));
  }
  int backends = 0;
  for (const v1::Pool& pool : config.pools()) backends += pool.backends_size();
  Json warnings = Json::List();
  for (const std::string& line : LocalReachWarnings(config, LocalAddresses())) {
    warnings.Append(Json::Text(line));
    if (!cli->json()) cli->out() << "warning: " << line << "\n";
  }
  if (cli->json()) {
    cli->out() << Json::Object()
                      .Set("valid", Json::Bool(true))
                      .Set("vips", Json::Number(static_cast<uint64_t>(config.vips_size())))
                      .Set("pools", Json::Number(static_cast<uint64_t>(config.pools_size())))
                      .Set("backends", Json::Number(static_cast<uint64_t>(backends)))
                      .Set("capacity_checked", Json::Bool(dry_run.ok()))
                      .Set("warnings", std::move(warnings))
                      .ToString();
  } else {
    cli->out() << file << ": valid, with " << CountText(config.vips_size(), "VIP") << ", "
               << CountText(config.pools_size(), "pool") << ", " << CountText(backends, "backend")
               << (dry_run.ok() ? "" : "; capacity not checked, no control plane") << "\n";
  }
  return absl::OkStatus();
}

absl::Status ShowConfig(Cli* cli) {
  v1::GetConfigResponse response;
  GW_RETURN_IF_ERROR(
      cli->client().Call(&v1::Guideway::Stub::GetConfig, v1::GetConfigRequest(), &response));
  cli->out() << (cli->json() ? Json::FromMessage(response.config()).ToString()
                             : PrintYaml(response.config()));
  return absl::OkStatus();
}

void AddFile(CLI::App* command, std::string* file) {
  command->add_option("file,-f,--file", *file, "The configuration file (YAML)")
      ->type_name(kFileType)
      ->required();
}

}  // namespace

void AddConfigCommands(Cli* cli) {
  const auto options = std::make_shared<ApplyOptions>();
  AddFile(cli->AddCommand(&cli->app(), "check",
                          "Check a configuration file, and what the data plane can hold if the "
                          "daemon runs",
                          [=] { return Check(cli, options->file); }),
          &options->file);
  AddFile(cli->AddCommand(&cli->app(), "diff",
                          "Show what `apply` would change, and which share of slots and known "
                          "flows would move",
                          [=] { return Diff(cli, options->file); }),
          &options->file);
  CLI::App* apply = cli->AddCommand(&cli->app(), "apply",
                                    "Put a configuration file in force, all of it or nothing",
                                    [=] { return Apply(cli, *options); });
  AddFile(apply, &options->file);
  apply->add_flag("--force", options->force, kForceHelp);
  AddConfirmWithin(apply, &options->confirm_within);
  CLI::App* noun = cli->AddNoun("config", "The configuration in force");
  cli->AddCommand(noun, "show", "Print it as YAML that `apply` takes, secret included",
                  [=] { return ShowConfig(cli); });
}

}  // namespace guideway::cli
