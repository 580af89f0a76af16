// Pools that the configuration does not have any more, as kept versions say that they were.
//
// Step() on any one thread, not the loop's: it reads files. All else when no Step() is under way.
#ifndef GUIDEWAY_CONTROLPLANE_FORMER_POOLS_H_
#define GUIDEWAY_CONTROLPLANE_FORMER_POOLS_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controlplane/version_store.h"
#include "lib/config/guideway.pb.h"

namespace guideway {

class FormerPools {
 public:
  // Looks for the pools of these names.
  FormerPools(const std::string& state_directory, std::set<std::string> names)
      : versions_(state_directory), missing_(std::move(names)) {}

  // Reads the newest version that was not read yet. False: all are found, or there is none.
  bool Step();
  // Each pool that was found as it was last, without its backends, and with the VIPs that led to
  // it.
  v1::Config Take() { return std::move(found_); }

 private:
  const VersionStore versions_;
  std::set<std::string> missing_;
  std::optional<std::vector<uint64_t>> left_;  // in ascending order; nullopt: not listed yet
  v1::Config found_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_FORMER_POOLS_H_
