// The command tree as data, read from CLI11: what docs/cli.md and shell completion are made from.
#ifndef GUIDEWAY_CONTROLPLANE_CLI_TREE_H_
#define GUIDEWAY_CONTROLPLANE_CLI_TREE_H_

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace guideway::cli {

struct OptionInfo {
  std::vector<std::string> spellings;  // "-f", "--file"; empty for a positional
  std::string name;                    // positionals: "pool"
  std::string type;                    // "POOL", "FILE", "NUMBER"; empty for a flag
  std::vector<std::string> choices;    // the values allowed, if few
  std::string help;
  std::string default_value;
  bool required = false;
  bool value_optional = false;
  bool program_only = false;  // stands without a command
};

struct CommandInfo {
  std::string path;  // "pool list", "" for the program
  std::string help;
  std::vector<std::string> children;  // last words of the paths of commands below
  std::vector<OptionInfo> options;    // without --help
  std::vector<OptionInfo> positionals;
};

// Depth first, in the order of definition, hidden commands left out.
std::vector<CommandInfo> ReadTree(const CLI::App& app);

// docs/cli.md
std::string DocsPage(const CLI::App& app);
// A bash script that completes `guideway`.
std::string BashCompletion(const CLI::App& app);

}  // namespace guideway::cli

#endif  // GUIDEWAY_CONTROLPLANE_CLI_TREE_H_
