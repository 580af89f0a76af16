// What a configuration says of probes, as the prober and the settling rule take it.
//
// Thread safety: one thread.
#ifndef GUIDEWAY_CONTROLPLANE_PROBE_PLAN_H_
#define GUIDEWAY_CONTROLPLANE_PROBE_PLAN_H_

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controlplane/health/prober.h"
#include "controlplane/tunnel/probe_tunnel.h"
#include "lib/config/guideway.pb.h"

namespace guideway {

struct ProbePlan {
  ProbeTargets targets;
  // Every pool, with its probed backends.
  std::map<std::string, std::set<std::string>> keys_by_pool;
  std::map<std::string, std::string> pool_of_key;
  bool uses_tunnel = false;
};

// Makes the plan bit by bit, so that whoever has thousands can stop in between.
class ProbePlanner {
 public:
  using MakePath = std::function<std::shared_ptr<ProbePath>(const TunnelTarget&)>;
  using IsPaused = std::function<bool(const std::string& pool)>;

  // `config` is valid, has its defaults and outlives the planner. Backends that are disabled are
  // not probed, nor those that would be through the tunnel while no VIP leads to their pool.
  // `make_path` makes the way of a probe through the tunnel; `is_paused` says of which pools probes
  // are paused.
  ProbePlanner(const v1::Config& config, MakePath make_path, IsPaused is_paused);
  ~ProbePlanner();

  // Some more VIPs or backends; false: all are in.
  bool Step();
  ProbePlan Take() { return std::move(plan_); }

 private:
  struct Vips;
  void AddBackend(const v1::Pool& pool, const v1::Backend& backend,
                  const std::vector<const v1::Probe*>& probes);

  const v1::Config& config_;
  const MakePath make_path_;
  const IsPaused is_paused_;
  const std::unique_ptr<Vips> vips_;
  int next_vip_ = 0;
  int next_ = 0;          // pool
  int next_backend_ = 0;  // of that pool
  ProbePlan plan_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_PROBE_PLAN_H_
