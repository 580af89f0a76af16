// guideway shell: commands one after the other, with completion and history.
#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "controlplane/cli/batch.h"
#include "controlplane/cli/cli.h"
#include "controlplane/cli/complete.h"
#include "controlplane/cli/line_editor.h"
#include "controlplane/cli/names.h"
#include "controlplane/cli/screen.h"

namespace guideway::cli {

namespace {

// The words before the cursor, the last one being typed.
std::vector<std::string> TypedWords(const std::string& line) {
  auto words = SplitWords(line);
  std::vector<std::string> typed = words.ok() ? *words : std::vector<std::string>{};
  if (line.empty() || line.back() == ' ' || line.back() == '\t') typed.emplace_back();
  return typed;
}

std::vector<std::string> CompleteLine(Cli* cli, const std::string& line) {
  const std::vector<std::string> words = TypedWords(line);
  if (words.empty()) return {};
  const Completion completion = Complete(cli->app(), words);
  if (completion.names_of.empty()) return completion.words;
  const auto names = FetchNames(&cli->client(), completion.names_of, completion.names_pool);
  return names.ok() ? WithPrefix(*names, words.back()) : std::vector<std::string>{};
}

std::string DefaultHistory() {
  const char* home = getenv("HOME");
  return home == nullptr || *home == 0 ? "" : absl::StrCat(home, "/.guideway_history");
}

absl::Status RunShell(Cli* cli, const std::string& history) {
  if (cli->nested()) return absl::FailedPreconditionError("shell: this is one already");
  if (!cli->on_terminal()) {
    cli->set_exit_code(RunBatch(cli, "-", /*keep_going=*/false));
    return absl::OkStatus();
  }
  LineEditor editor("guideway> ", history,
                    [cli](const std::string& line) { return CompleteLine(cli, line); });
  while (const auto line = editor.Read()) {
    const auto words = SplitWords(*line);
    if (!words.ok()) {
      cli->err() << "guideway: " << std::string(words.status().message()) << "\n";
      continue;
    }
    if (words->empty()) continue;
    if ((*words)[0] == "exit" || (*words)[0] == "quit") return absl::OkStatus();
    cli->RunNested((*words)[0] == "help" ? std::vector<std::string>{"--help"} : *words, "");
  }
  cli->out() << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddShellCommands(Cli* cli) {
  const auto history = std::make_shared<std::string>(DefaultHistory());
  CLI::App* shell = cli->AddCommand(
      &cli->app(), "shell",
      "Take commands one after the other until `exit`; Tab completes, the arrows find former ones",
      [=] { return RunShell(cli, *history); });
  shell->add_option("--history", *history, "Keeps the lines typed; by default ~/.guideway_history")
      ->type_name(kFileType);
}

}  // namespace guideway::cli
