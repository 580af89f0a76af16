// The daemon's state as several commands need it: looked up by name, and in words. Stateless.
#ifndef GUIDEWAY_CONTROLPLANE_CLI_STATE_H_
#define GUIDEWAY_CONTROLPLANE_CLI_STATE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "controlplane/cli/client.h"
#include "controlplane/cli/json.h"

namespace guideway::cli {

absl::StatusOr<v1::GetStateResponse> FetchState(Client* client);
// NOT_FOUND with the nearest name.
absl::StatusOr<const v1::PoolState*> FindPool(const v1::GetStateResponse& state,
                                              const std::string& name);
absl::StatusOr<const v1::BackendState*> FindBackend(const v1::PoolState& pool,
                                                    const std::string& name);

// "healthy", "unhealthy", "unknown", "unprobed", "ejected".
std::string HealthText(v1::Health health);

// What becomes of its flows, by the names of the counters.
std::vector<std::pair<std::string, uint64_t>> FlowCountsOf(const v1::BackendState& backend);

Json BackendJson(const std::string& pool, const v1::BackendState& backend);
// NAME ADDRESS WEIGHT STATE HEALTH ... of one pool, or of all pools with their names in front.
std::string BackendTable(const v1::GetStateResponse& state, const v1::PoolState* only);
// Adds to_kernel_packets, answered_packets, drop_total and drops.
void SetOthers(const v1::OtherVerdicts& others, Json* json);
void SetTraffic(const v1::Traffic& traffic, Json* json);

}  // namespace guideway::cli

#endif  // GUIDEWAY_CONTROLPLANE_CLI_STATE_H_
