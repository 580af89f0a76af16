// See cli.h.
#include "controlplane/cli/cli.h"

#include <algorithm>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controlplane/cli/batch.h"
#include "controlplane/cli/screen.h"
#include "lib/config/formats.h"
#include "lib/config/schema.h"

namespace guideway::cli {

Cli::Cli(std::ostream* out, std::ostream* err)
    : out_(out), err_(err), app_("Operate a Guideway load balancer.", "guideway") {
  app_.require_subcommand(0, 1);  // Run() asks for one
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
  app_.add_option("-f,--file", file_,
                  "Run the command lines in this file, \"-\" for standard input, until one fails")
      ->type_name(kFileType)
      ->group(kProgramOnly);
  app_.add_flag("--keep-going", keep_going_, "With -f: go on after a line that fails")
      ->group(kProgramOnly);
  AddStatusCommands(this);
  AddExplainCommands(this);
  AddTopCommands(this);
  AddWatchCommands(this);
  AddVipCommands(this);
  AddPoolCommands(this);
  AddBackendCommands(this);
  AddConfigCommands(this);
  AddShellCommands(this);
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
  if (client_ == nullptr || client_->socket_path() != socket_) {
    client_ = std::make_shared<Client>(socket_);
  }
  return *client_;
}

bool Cli::on_terminal() const { return out_ == &std::cout && Screen::IsTerminal(); }

int Cli::Run(std::vector<std::string> arguments) {
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
  try {
    app_.parse(std::move(arguments));
    const bool has_command = !app_.get_subcommands().empty();
    if (!has_command && file_.empty()) throw CLI::RequiredError("A command");
    if (has_command && (!file_.empty() || keep_going_)) {
      throw CLI::ExcludesError("-f, --keep-going", "a command");
    }
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {  // --help, --version
      app_.exit(error, *out_, *err_);
      return kDone;
    }
    return ReportUsage(error);
  }
  if (file_.empty()) return RunAction();
  if (!nested_) return RunBatch(this, file_, keep_going_);
  *err_ << Prefix() << "-f: lines of a file or shell cannot run another file\n";
  return kUsage;
}

int Cli::RunAction() {
  const absl::Status status = action_();
  out_->flush();
  if (status.ok()) return out_->good() ? exit_code_ : kFailed;
  *err_ << Prefix() << std::string(status.message()) << "\n";
  return absl::IsUnavailable(status) ? kUnreachable : kFailed;
}

int Cli::RunNested(std::vector<std::string> arguments, const std::string& place) {
  // A tree of its own: what an earlier line gave must not be left in its options.
  Cli line(out_, err_);
  line.socket_ = socket_;
  line.output_ = output_;
  line.client_ = client_;
  line.nested_ = true;
  line.place_ = place;
  const int code = line.Run(std::move(arguments));
  if (client_ == nullptr && line.client_ != nullptr && line.socket_ == socket_) {
    client_ = line.client_;
  }
  return code;
}

std::string Cli::Prefix() const {
  return place_.empty() ? "guideway: " : absl::StrCat("guideway: ", place_, ": ");
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
  *err_ << Prefix() << message << "\n" << path << " --help says more\n";
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
