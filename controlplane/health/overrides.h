// What operators order over the heads of the probes: health by force, pauses. A pure bookkeeper.
//
// Forced health outlives a restart, since nobody would expect an upgrade to undo it; pauses do not,
// since after a start nothing is known that could stay as it is. Thread safety: one thread.
#ifndef GUIDEWAY_CONTROLPLANE_HEALTH_OVERRIDES_H_
#define GUIDEWAY_CONTROLPLANE_HEALTH_OVERRIDES_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"

namespace guideway {

class HealthOverrides {
 public:
  using Backend = std::pair<std::string, std::string>;  // names of pool and backend

  // nullopt: as probed. True if that changes anything; likewise below.
  bool Force(const Backend& backend, std::optional<bool> healthy);
  bool Pause(const std::string& pool, bool paused);
  // Forgets what is about others than these. True if there was something.
  bool Retain(const std::set<std::string>& pools, const std::set<Backend>& backends);

  std::optional<bool> Forced(const Backend& backend) const;
  bool IsPaused(const std::string& pool) const { return paused_.contains(pool); }
  const std::map<Backend, bool>& forced() const { return forced_; }
  const std::set<std::string>& paused() const { return paused_; }

  // What outlives a restart, a line for each.
  std::string ToText() const;
  // INVALID_ARGUMENT names the line; then nothing has changed.
  absl::Status FromText(const std::string& text);

 private:
  std::map<Backend, bool> forced_;  // to healthy?
  std::set<std::string> paused_;    // pools
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_HEALTH_OVERRIDES_H_
