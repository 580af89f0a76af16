// guideway apply, diff, check, config show: whole configurations.
#include "absl/strings/str_cat.h"
#include "controlplane/cli/cli.h"
#include "controlplane/cli/table.h"
#include "lib/base/status.h"
#include "lib/config/load.h"
#include "lib/config/printer.h"

namespace guideway::cli {

namespace {

struct ApplyOptions {
  std::string file;
  bool force = false;
};

absl::Status Apply(Cli* cli, const ApplyOptions& options, bool dry_run) {
  v1::ApplyRequest request;
  // Read here, so that problems are named with the file's lines and columns.
  GW_ASSIGN_OR_RETURN(*request.mutable_config(), LoadConfigFile(options.file));
  request.set_force(options.force);
  request.set_dry_run(dry_run);
  v1::ApplyResponse response;
  GW_RETURN_IF_ERROR(cli->client().Call(&v1::Guideway::Stub::Apply, request, &response));
  cli->PrintChange(response, dry_run);
  return absl::OkStatus();
}

absl::Status Check(Cli* cli, const std::string& file) {
  GW_ASSIGN_OR_RETURN(const v1::Config config, LoadConfigFile(file));
  int backends = 0;
  for (const v1::Pool& pool : config.pools()) backends += pool.backends_size();
  if (cli->json()) {
    cli->out() << Json::Object()
                      .Set("valid", Json::Bool(true))
                      .Set("vips", Json::Number(static_cast<uint64_t>(config.vips_size())))
                      .Set("pools", Json::Number(static_cast<uint64_t>(config.pools_size())))
                      .Set("backends", Json::Number(static_cast<uint64_t>(backends)))
                      .ToString();
  } else {
    cli->out() << file << ": valid, with " << CountText(config.vips_size(), "VIP") << ", "
               << CountText(config.pools_size(), "pool") << ", " << CountText(backends, "backend")
               << "\n";
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
  command->add_option("-f,--file", *file, "The configuration file (YAML)")
      ->type_name(kFileType)
      ->required();
}

}  // namespace

void AddConfigCommands(Cli* cli) {
  const auto options = std::make_shared<ApplyOptions>();
  CLI::App* apply = cli->AddCommand(&cli->app(), "apply",
                                    "Put a configuration file in force, all of it or nothing",
                                    [=] { return Apply(cli, *options, false); });
  AddFile(apply, &options->file);
  apply->add_flag("--force", options->force,
                  "Also if it is empty or removes more than half of a pool's backends");
  AddFile(cli->AddCommand(&cli->app(), "diff", "Show what `apply` would change",
                          [=] { return Apply(cli, *options, true); }),
          &options->file);
  AddFile(cli->AddCommand(&cli->app(), "check", "Check a configuration file; needs no daemon",
                          [=] { return Check(cli, options->file); }),
          &options->file);
  CLI::App* noun = cli->AddNoun("config", "The configuration in force");
  cli->AddCommand(noun, "show", "Print it as YAML that `apply` takes, secret included",
                  [=] { return ShowConfig(cli); });
}

}  // namespace guideway::cli
