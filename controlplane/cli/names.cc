// See names.h.
#include "controlplane/cli/names.h"

#include "controlplane/cli/cli.h"
#include "controlplane/cli/state.h"
#include "lib/base/status.h"

namespace guideway::cli {

absl::StatusOr<std::vector<std::string>> FetchNames(Client* client, const std::string& kind,
                                                    const std::string& pool) {
  GW_ASSIGN_OR_RETURN(const v1::GetStateResponse state, FetchState(client));
  std::vector<std::string> names;
  if (kind == kVipType) {
    for (const v1::VipState& vip : state.vips()) names.push_back(vip.vip().name());
  } else if (kind == kPoolType) {
    for (const v1::PoolState& each : state.pools()) names.push_back(each.pool().name());
  } else {
    GW_ASSIGN_OR_RETURN(const v1::PoolState* found, FindPool(state, pool));
    for (const auto& backend : found->backends()) names.push_back(backend.backend().name());
  }
  return names;
}

}  // namespace guideway::cli
