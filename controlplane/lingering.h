// Backends that have left the configuration and finish their flows: how they go on being probed.
//
// They are probed as their pool said when they left, so that a removed backend that dies does not
// hold its flows. After a restart of this process, when that is forgotten, they are probed as the
// pool of that name says now; if there is none, not at all: then their neighbours and their flows
// say when they are gone. Thread safety: loop thread only.
#ifndef GUIDEWAY_CONTROLPLANE_LINGERING_H_
#define GUIDEWAY_CONTROLPLANE_LINGERING_H_

#include <map>
#include <string>

#include "controlplane/compiler/backend_registry.h"
#include "lib/config/guideway.pb.h"

namespace guideway {

class LingeringProbes {
 public:
  // `after` replaces `before`. Both are valid and have their defaults.
  void ConfigChanged(const v1::Config& before, const v1::Config& after);
  // Drops who does not linger any more; true if somebody did.
  bool Retain(const BackendRegistry& registry);
  // After a start: takes up those who linger, as `config` probes their pools.
  void TakeUp(const BackendRegistry& registry, const v1::Config& config);
  // A configuration of nothing but them. VIPs, which probes through the tunnel need, are those of
  // `config` that lead to a pool of the same name, or led there before.
  v1::Config ProbedConfig(const v1::Config& config) const;
  bool Contains(const std::string& key) const { return backends_.contains(key); }

 private:
  struct Pool {
    v1::Pool settings;                        // without backends
    std::map<std::string, v1::Vip> old_vips;  // by address
  };
  struct Backend {
    std::string pool;
    v1::Backend settings;
  };
  void Add(const v1::Pool& pool, const v1::Backend& backend, const v1::Config& config);

  std::map<std::string, Pool> pools_;        // by name, as they were last
  std::map<std::string, Backend> backends_;  // by key
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_LINGERING_H_
