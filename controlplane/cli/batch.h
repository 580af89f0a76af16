// Command lines from a file: `guideway -f FILE`.
//
// A line holds what stands behind `guideway` on a command line. Words are separated by blanks;
// quotes ('...' as it is, "..." with \" and \\) keep blanks in a word. Empty lines and what follows
// a # at the beginning of a word are left out.
#ifndef GUIDEWAY_CONTROLPLANE_CLI_BATCH_H_
#define GUIDEWAY_CONTROLPLANE_CLI_BATCH_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace guideway::cli {

class Cli;

// INVALID_ARGUMENT: a quote is not closed.
absl::StatusOr<std::vector<std::string>> SplitWords(const std::string& line);

// Runs the lines of `file`, "-" for standard input, one after the other. Stops at the first that
// fails, unless `keep_going`. Every message names the file and the line. Returns the exit code of
// the first that failed.
int RunBatch(Cli* cli, const std::string& file, bool keep_going);

}  // namespace guideway::cli

#endif  // GUIDEWAY_CONTROLPLANE_CLI_BATCH_H_
