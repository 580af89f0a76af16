// What a configuration says of probes, as the prober and the settling rule take it.
//
// Thread safety: a pure function and its value.
#ifndef GUIDEWAY_CONTROLPLANE_PROBE_PLAN_H_
#define GUIDEWAY_CONTROLPLANE_PROBE_PLAN_H_

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "controlplane/health/prober.h"
#include "controlplane/tunnel/probe_tunnel.h"
#include "lib/config/guideway.pb.h"

namespace guideway {

struct ProbePlan {
  std::map<std::string, BackendProbes> targets;  // by backend key
  // Every pool, with its probed backends.
  std::map<std::string, std::set<std::string>> keys_by_pool;
  std::map<std::string, std::string> pool_of_key;
  bool uses_tunnel = false;
};

// `config` is valid and has its defaults. Backends that are disabled are not probed, nor those that
// would be through the tunnel while no VIP leads to their pool. `make_path` makes the way of a
// probe through the tunnel; `is_paused` says of which pools probes are paused.
ProbePlan MakeProbePlan(
    const v1::Config& config,
    const std::function<std::shared_ptr<ProbePath>(const TunnelTarget&)>& make_path,
    const std::function<bool(const std::string& pool)>& is_paused);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_PROBE_PLAN_H_
