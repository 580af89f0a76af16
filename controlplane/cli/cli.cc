// See cli.h.
#include "controlplane/cli/cli.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/config/formats.h"
#include "lib/config/schema.h"

namespace guideway::cli {

Cli::Cli(std::ostream* out, std::ostream* err)
    : out_(out), err_(err), app_("Operate a Guideway load balancer.", "guideway") {
  app_.require_subcommand(1);
  // --socket and -o may stand after the command, too; inherited by all commands.
  app_.fallthrough();
  app_.set_version_flag("--version", "guideway " GUIDEWAY_VERSION, "Print the version and exit");
  app_.set_help_flag("-h,--help", "Print this help and exit");
  app_.add_option("--socket", socket_, "Unix socket of guideway-controlplane")
      ->type_name(kFileType)
      ->capture_default_str();
  app_.add_option("-o,--output", output_, "How results are printed")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  AddStatusCommands(this);
  AddVipCommands(this);
  AddPoolCommands(this);
  AddBackendCommands(this);
  AddConfigCommands(this);
  AddVersionCommands(this);
  AddCompletionCommands(this);
}

CLI::App* Cli::AddCommand(CLI::App* parent, const std::string& name, const std::string& help,
                          Action action) {
  CLI::App* command = parent->add_subcommand(name, help);
  command->callback([this, action = std::move(action)] { action_ = action; });
  return command;
}

CLI::App* Cli::AddNoun(const std::string& name, const std::string& help) {
  CLI::App* noun = app_.add_subcommand(name, help);
  noun->require_subcommand(1);
  return noun;
}

Client& Cli::client() {
  if (client_ == nullptr) client_ = std::make_unique<Client>(socket_);
  return *client_;
}

int Cli::Run(std::vector<std::string> arguments) {
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
  try {
    app_.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {  // --help, --version
      app_.exit(error, *out_, *err_);
      return kDone;
    }
    return ReportUsage(error);
  }
  const absl::Status status = action_();
  out_->flush();
  if (status.ok()) return out_->good() ? kDone : kFailed;
  *err_ << "guideway: " << std::string(status.message()) << "\n";
  return absl::IsUnavailable(status) ? kUnreachable : kFailed;
}

ExitCode Cli::ReportUsage(const CLI::ParseError& error) {
  const CLI::App* at = &app_;
  std::string path = "guideway";
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().front();
    path += " " + at->get_name();
  }
  std::string message = error.what();
  // CLI11 only says that a command is missing, although an unknown one is there.
  std::vector<std::string> commands;
  for (const CLI::App* child : at->get_subcommands([](const CLI::App*) { return true; })) {
    if (!child->get_group().empty()) commands.push_back(child->get_name());
  }
  const std::vector<std::string> unknown = app_.remaining(true);
  if (!commands.empty() && !unknown.empty()) {
    const std::string nearest = NearestName(unknown[0], commands);
    message = absl::StrCat("unknown command ", Quote(unknown[0]),
                           nearest.empty() ? "" : ", did you mean " + nearest + "?",
                           " commands here: ", absl::StrJoin(commands, ", "));
  } else if (!commands.empty() && error.get_name() == "RequiredError") {
    message = absl::StrCat("a command is missing, one of ", absl::StrJoin(commands, ", "));
  }
  *err_ << "guideway: " << message << "\n" << path << " --help says more\n";
  return kUsage;
}

void Cli::PrintChange(const v1::ApplyResponse& response) {
  if (json()) {
    Json changes = Json::List();
    for (const std::string& line : response.changes()) changes.Append(Json::Text(line));
    Json warnings = Json::List();
    for (const std::string& line : response.warnings()) warnings.Append(Json::Text(line));
    *out_ << Json::Object()
                 .Set("version", Json::Number(response.version()))
                 .Set("changes", std::move(changes))
                 .Set("warnings", std::move(warnings))
                 .ToString();
    return;
  }
  for (const std::string& line : response.changes()) *out_ << line << "\n";
  for (const std::string& line : response.warnings()) {
    *out_ << "warning: " << line << "\n";
  }
  if (response.changes_size() == 0) *out_ << "nothing changes\n";
}

}  // namespace guideway::cli
