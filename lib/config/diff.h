// The difference of two configurations in words, one line per change. Stateless.
#ifndef GUIDEWAY_LIB_CONFIG_DIFF_H_
#define GUIDEWAY_LIB_CONFIG_DIFF_H_

#include <string>
#include <vector>

#include "lib/config/guideway.pb.h"

namespace guideway {

// Both with defaults filled in. Pools, VIPs, ports and backends are matched by name; their order
// does not count. "pool web: backend web-3 added (192.0.2.3, weight 100, enabled)", "pool web:
// table_size 65537 -> 131071". Secrets are never shown. Empty: nothing changes.
std::vector<std::string> DiffConfigs(const v1::Config& before, const v1::Config& after);

}  // namespace guideway

#endif  // GUIDEWAY_LIB_CONFIG_DIFF_H_
