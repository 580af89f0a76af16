// What a command line may go on with, found from the command tree: for `guideway shell`, zsh, fish.
//
// Pure: names that only the daemon knows are asked for by the caller.
#ifndef GUIDEWAY_CONTROLPLANE_CLI_COMPLETE_H_
#define GUIDEWAY_CONTROLPLANE_CLI_COMPLETE_H_

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace guideway::cli {

struct Completion {
  std::vector<std::string> words;  // all that fit what has been typed of the last word
  bool files = false;              // a path is wanted
  std::string names_of;    // kPoolType, kBackendType, kVipType: the daemon's names, or empty
  std::string names_pool;  // with kBackendType: whose
  std::string socket;      // given on the line; empty: the default
};

// `words`: the command line without the program; the last one is being typed and may be empty.
Completion Complete(const CLI::App& app, const std::vector<std::string>& words);
// Those that begin with `typed`.
std::vector<std::string> WithPrefix(const std::vector<std::string>& words,
                                    const std::string& typed);

}  // namespace guideway::cli

#endif  // GUIDEWAY_CONTROLPLANE_CLI_COMPLETE_H_
