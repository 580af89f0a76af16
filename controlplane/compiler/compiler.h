// Configuration + health + next hops -> the data plane's tables. No I/O, no clock.
//
// Who takes new flows and who keeps known ones: roles.h; with a slow start, whoever begins to take
// flows has less than its weight for a while (slow_start.h). Whoever this host cannot send to gets
// nothing, as with health (reachability.h). Removed backends keep known flows while
// they linger (backend_registry.h), unless they are unhealthy by probes that go on, or unreachable.
// A lingering one has no server ID any more: another backend may have it.
//
// Indices: backends' and VIPs' come from registries that are kept over restarts; pools' and next
// hops' are stable within the process. Thread safety: one thread.
#ifndef GUIDEWAY_CONTROLPLANE_COMPILER_COMPILER_H_
#define GUIDEWAY_CONTROLPLANE_COMPILER_COMPILER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "controlplane/compiler/backend_registry.h"
#include "controlplane/compiler/pool_slots.h"
#include "controlplane/compiler/reachability.h"
#include "controlplane/compiler/slow_start.h"
#include "controlplane/compiler/tables.h"
#include "controlplane/compiler/vip_registry.h"
#include "controlplane/health/state_machine.h"
#include "controlplane/resolver/next_hop.h"
#include "lib/channel/layout.h"
#include "lib/config/guideway.pb.h"

namespace guideway {

// All borrowed for the call.
struct CompilerInput {
  const v1::Config* config = nullptr;  // valid, with defaults
  std::function<HealthState(const std::string& key)> health;
  std::function<bool(const std::string& pool)> is_settling;
  std::function<bool(const std::string& key)> is_ejected;           // null: nobody is
  std::function<bool(const std::string& key)> keeps_flows;          // though unhealthy; null: none
  const std::map<IpAddress, ResolvedNextHop>* next_hops = nullptr;  // by backend address
  absl::Span<const channel::PortInfo> ports;                        // of the data plane
  absl::Duration steady_now;                                        // monotonic
};

// What the tables came to, for the API.
struct CompiledBackend {
  uint16_t index = 0;
  double share = 0;              // of the pool's slots, 0..1
  std::string next_hop;          // "eth1 02:00:00:00:00:01", or why there is none
  bool reachable = false;        // there is a next hop
  bool unreachable = false;      // there has been none for a while, see reachability.h
  bool gives_up_flows = false;   // likewise
  uint32_t slow_start_step = 0;  // it has so many 11ths of its weight; 0: all of it
};
struct CompiledPool {
  uint32_t index = 0;
  std::shared_ptr<const TableDigest> digest;
  bool failed_open = false;
  bool backups_serve = false;
  bool none_reachable = false;  // of those that may take flows
};
struct Compiled {
  Tables tables;
  std::map<std::string, CompiledBackend> backends;  // by key
  std::map<std::string, CompiledPool> pools;        // by name
  std::map<std::string, uint32_t> vip_indices;      // by name
  // When (monotonic) a slow start, or patience with who is unreachable, changes the tables;
  // InfiniteDuration(): never.
  absl::Duration next_step = absl::InfiniteDuration();
};

// Gives each key of a changing set a small index that it keeps while it is in the set.
class IndexAllocator {
 public:
  void Retain(const std::set<std::string>& keys);
  uint32_t Use(const std::string& key);

 private:
  std::map<std::string, uint32_t> indices_;
  std::set<uint32_t> taken_;
};

// How long a removed backend lingers at most.
absl::Duration LingerLimit(const v1::Config& config);
// The key of each backend of the configuration.
std::set<std::string> BackendKeys(const v1::Config& config);
// The port whose static gateway takes all destinations; null if there is none.
const v1::Port* StaticGatewayPort(const v1::Config& config);

class Compiler {
 public:
  explicit Compiler(BackendRegistry* registry) : registry_(registry) {}
  // Its owner loads and saves it.
  VipRegistry* vips() { return &vips_; }

  // Errors are of configurations that validation lets pass but tables cannot hold.
  absl::StatusOr<Compiled> Compile(const CompilerInput& input);
  // Brings up to date what the last Compile() came to, after a change of nothing but the health of
  // backends of `pool`. Costs what this pool costs. After an error only Compile() will do.
  absl::Status UpdateHealth(const CompilerInput& input, const v1::Pool& pool, Compiled* compiled);

 private:
  // A pool's backends and their next hops.
  absl::Status PlacePool(const CompilerInput& input, const v1::Pool& pool, Compiled* result);
  // Who of it gets what, by health.
  absl::Status AssignSlots(const CompilerInput& input, const v1::Pool& pool,
                           const std::set<uint16_t>& gone, Compiled* result);
  absl::Status PlaceLingering(const CompilerInput& input, Compiled* result);
  std::set<uint16_t> GoneSinceLast() const;

  BackendRegistry* registry_;
  VipRegistry vips_;
  IndexAllocator pool_indices_;
  IndexAllocator next_hop_indices_;
  std::map<std::string, PoolSlotsBuilder> slots_;  // by pool name
  std::map<std::string, SlowStart> slow_starts_;   // by pool name
  Reachability reachability_;
  std::map<uint16_t, uint16_t> last_incarnations_;  // by backend index
  std::set<std::string> next_hops_used_;            // by the compilation going on
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_COMPILER_COMPILER_H_
