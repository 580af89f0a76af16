// The flags of `guideway pool create`: one for every field of a pool but its name, its backends,
// and the list of several probes. A test compares the list with the schema, so that a new field
// cannot be forgotten.
//
// Thread safety: none, one thread.
#ifndef GUIDEWAY_CONTROLPLANE_CLI_POOL_FLAGS_H_
#define GUIDEWAY_CONTROLPLANE_CLI_POOL_FLAGS_H_

#include <CLI/CLI.hpp>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "lib/config/guideway.pb.h"

namespace guideway::cli {

struct PoolFlag {
  std::string field;  // "table_size", or below a group "probe.port"
  std::string flag;   // "--table-size"
  std::string type;   // as help shows it; unused for choices and switches
  std::string help;
};
const std::vector<PoolFlag>& PoolFlags();

// What was given on the command line, by field.
struct PoolFlagValues {
  std::map<std::string, std::string> texts;
  std::map<std::string, bool> switches;
  std::map<std::string, std::vector<std::string>> lists;
};

// Adds all flags to `command`; parsing fills `values`, which must outlive it.
void AddPoolFlags(CLI::App* command, PoolFlagValues* values);
// Sets in `pool` what was given to `command`. INVALID_ARGUMENT names the flag and what it takes.
absl::Status FillPool(const PoolFlagValues& values, const CLI::App& command, v1::Pool* pool);

}  // namespace guideway::cli

#endif  // GUIDEWAY_CONTROLPLANE_CLI_POOL_FLAGS_H_
