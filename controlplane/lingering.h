// Backends that have left the configuration and finish their flows: how they go on being probed.
//
// They are probed as their pool said when they left, whoever leaves it later, so that a removed
// backend that dies does not hold its flows. After a restart of this process, when that is
// forgotten, they are probed as the pool of that name says now; if there is none, as it was last in
// a kept version (FormerPools). Thread safety: loop thread only.
#ifndef GUIDEWAY_CONTROLPLANE_LINGERING_H_
#define GUIDEWAY_CONTROLPLANE_LINGERING_H_

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "controlplane/compiler/backend_registry.h"
#include "controlplane/pools_by_name.h"
#include "lib/config/guideway.pb.h"

namespace guideway {

class LingeringProbes {
  struct Pool;
  struct Backend;

 public:
  // `after` replaces `before`; both are valid and have their defaults. It is done step by step,
  // until StepChange() returns false; between two of them each pool is as before or as now. May be
  // given up: the next change is then from the same `before`, or a BeginTakeUp(). What is pointed
  // to outlives the steps.
  void BeginChange(const v1::Config* before, const v1::Config* after);
  bool StepChange();
  // Drops who does not linger any more; true if somebody did.
  bool Retain(const BackendRegistry& registry);
  // After a start: takes up those who linger, whom `config` does not have, as `pools` says that
  // theirs are probed (`config` itself, or one without backends), by StepChange(). The registry
  // does not change so long.
  void BeginTakeUp(const BackendRegistry* registry, const v1::Config* config,
                   const v1::Config* pools);
  // Whose backends linger, but that the last BeginTakeUp() has not found.
  const std::set<std::string>& pools_not_found() const { return pools_not_found_; }

  // Makes a configuration of nothing but them, step by step: of a pool that has changed between two
  // that left it there are several of one name. VIPs, which probes through the tunnel
  // need, are those of `config` that lead to a pool of the same name, or led there before. Both
  // outlive it and do not change so long.
  class ProbedConfig {
   public:
    ProbedConfig(const LingeringProbes* lingering, const v1::Config* config);
    bool Step();  // false: all is in
    v1::Config Take() { return std::move(made_); }

   private:
    void AddBackend(const Backend& backend);
    void AddVip(const v1::Vip& vip);

    const LingeringProbes& lingering_;
    const v1::Config& config_;
    v1::Config made_;
    absl::flat_hash_map<const void*, v1::Pool*> pools_;                             // of made_
    absl::flat_hash_set<std::string> pool_names_;                                   // likewise
    absl::flat_hash_map<std::string, std::vector<const v1::Vip*>> old_by_address_;  // VIPs
    std::string after_;                                                             // key
    bool backends_are_in_ = false;
    int next_vip_ = 0;
  };
  bool Contains(const std::string& key) const { return backends_.contains(key); }
  // Somebody lingers who was of the pool.
  bool HasPool(const std::string& pool) const { return pools_.contains(pool); }
  // Its pool said so when it left: its flows stay though it is unhealthy.
  bool UnhealthyKeepsFlows(const std::string& key) const {
    const auto backend = backends_.find(key);
    return backend != backends_.end() && backend->second.was->settings.unhealthy_keeps_flows();
  }

 private:
  struct Pool {
    v1::Pool settings;                        // without backends
    std::map<std::string, v1::Vip> old_vips;  // by address
  };
  struct Backend {
    std::string pool;
    v1::Backend settings;
    std::shared_ptr<const Pool> was;  // its pool, when it left
  };
  // What is going on, see StepChange().
  struct Change {
    const v1::Config* before = nullptr;         // of a change,
    const BackendRegistry* registry = nullptr;  // or of taking up; both null: nothing is to be done
    const v1::Config* after = nullptr;
    PoolsByName configured;              // of `after`
    const v1::Config* former = nullptr;  // of taking up
    PoolsByName pools;                   // likewise
    std::string after_key;
    bool are_back = false;  // those who have come back are out
    int next_pool = 0;
  };
  static std::shared_ptr<const Pool> AsItIs(const v1::Pool& pool, const v1::Config& config);
  void Add(const v1::Pool& pool, const v1::Backend& backend, std::shared_ptr<const Pool> was);
  void AddGone(const v1::Pool& pool);
  bool StepTakeUp();

  Change change_;
  std::set<std::string> pools_not_found_;
  std::map<std::string, std::shared_ptr<const Pool>> pools_;  // by name, as they were last
  std::map<std::string, Backend> backends_;                   // by key
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_LINGERING_H_
