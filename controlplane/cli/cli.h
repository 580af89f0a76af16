// The program `guideway`: its command tree and how one command is run.
//
// The tree is defined once, in the commands_*.cc files; help, docs/cli.md and shell completion are
// made from it. Thread safety: none, one thread.
#ifndef GUIDEWAY_CONTROLPLANE_CLI_CLI_H_
#define GUIDEWAY_CONTROLPLANE_CLI_CLI_H_

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "controlplane/cli/client.h"
#include "controlplane/cli/json.h"

namespace guideway::cli {

enum ExitCode { kDone = 0, kFailed = 1, kUsage = 2, kUnreachable = 3, kNotWell = 4 };

// Positionals and option values of these types are completed by asking the daemon.
inline constexpr char kPoolType[] = "POOL";
inline constexpr char kBackendType[] = "BACKEND";  // of the POOL before it
inline constexpr char kVipType[] = "VIP";
inline constexpr char kFileType[] = "FILE";

// The group of the program's options that stand without a command.
inline constexpr char kProgramOnly[] = "Without a command";

class Cli {
 public:
  // Both borrowed.
  Cli(std::ostream* out, std::ostream* err);

  // Parses, runs, and reports; the process's exit code. `arguments` without the program's name.
  int Run(std::vector<std::string> arguments);
  // Runs another command line with the same daemon and output format, unless it names others.
  // `place`
  // ("FILE:3") stands in front of error messages; empty: none.
  int RunNested(std::vector<std::string> arguments, const std::string& place);

  CLI::App& app() { return app_; }
  std::ostream& out() { return *out_; }
  std::ostream& err() { return *err_; }
  // Whether what is printed goes to a terminal, and keys come from it.
  bool on_terminal() const;
  bool nested() const { return nested_; }
  // For an action that has reported its errors itself.
  void set_exit_code(int code) { exit_code_ = code; }
  bool json() const { return output_ == "json"; }
  Client& client();

  // Adds a command whose work is `action`; CLI11 parses into what it captures.
  using Action = std::function<absl::Status()>;
  CLI::App* AddCommand(CLI::App* parent, const std::string& name, const std::string& help,
                       Action action);
  // Adds a noun that only holds commands.
  CLI::App* AddNoun(const std::string& name, const std::string& help);
  // Prints what a change did: one line per change, or JSON.
  void PrintChange(const v1::ApplyResponse& response);

 private:
  ExitCode ReportUsage(const CLI::ParseError& error);
  int RunAction();
  // "guideway: FILE:3: "
  std::string Prefix() const;

  std::ostream* const out_;
  std::ostream* const err_;
  CLI::App app_;
  std::string socket_ = "/run/guideway/controlplane.sock";
  std::string output_ = "table";
  std::string file_;  // of command lines; empty: none
  bool keep_going_ = false;
  bool nested_ = false;
  std::string place_;
  std::shared_ptr<Client> client_;  // one connection for all nested lines
  Action action_;
  int exit_code_ = kDone;
};

void AddVipCommands(Cli* cli);
void AddPoolCommands(Cli* cli);
void AddBackendCommands(Cli* cli);
void AddDrainCommand(Cli* cli, CLI::App* backend_noun);
void AddConfigCommands(Cli* cli);
void AddVersionCommands(Cli* cli);
void AddStatusCommands(Cli* cli);
void AddCompletionCommands(Cli* cli);
void AddExplainCommands(Cli* cli);
void AddTopCommands(Cli* cli);
void AddShellCommands(Cli* cli);
void AddWatchCommands(Cli* cli);

}  // namespace guideway::cli

#endif  // GUIDEWAY_CONTROLPLANE_CLI_CLI_H_
