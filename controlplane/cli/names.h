// The names that the daemon knows, for completion.
#ifndef GUIDEWAY_CONTROLPLANE_CLI_NAMES_H_
#define GUIDEWAY_CONTROLPLANE_CLI_NAMES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "controlplane/cli/client.h"

namespace guideway::cli {

// `kind`: kPoolType, kVipType, or kBackendType of `pool`.
absl::StatusOr<std::vector<std::string>> FetchNames(Client* client, const std::string& kind,
                                                    const std::string& pool);

}  // namespace guideway::cli

#endif  // GUIDEWAY_CONTROLPLANE_CLI_NAMES_H_
