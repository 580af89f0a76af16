// The probes of a pool, whether it has one (`probe`) or several (`probes`). Stateless.
#ifndef GUIDEWAY_LIB_CONFIG_POOL_PROBES_H_
#define GUIDEWAY_LIB_CONFIG_POOL_PROBES_H_

#include <vector>

#include "lib/config/guideway.pb.h"

namespace guideway {

// Valid as long as the pool; empty: its backends are not probed.
inline std::vector<const v1::Probe*> ProbesOf(const v1::Pool& pool) {
  std::vector<const v1::Probe*> probes;
  if (pool.has_probe()) probes.push_back(&pool.probe());
  for (const v1::Probe& probe : pool.probes()) probes.push_back(&probe);
  return probes;
}
inline bool HasProbes(const v1::Pool& pool) { return pool.has_probe() || pool.probes_size() > 0; }

}  // namespace guideway

#endif  // GUIDEWAY_LIB_CONFIG_POOL_PROBES_H_
