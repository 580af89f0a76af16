// Configuration + health + next hops -> the data plane's tables. No I/O, no clock.
//
// Who takes new flows of a pool (is in its Maglev table): backends that are enabled, have a weight
// above 0, and are healthy or unprobed. While the pool settles every state counts as healthy; later
// an unknown backend (one just added) waits for its first verdict. If that leaves nobody, or of
// those with a verdict fewer than fail_open_below percent are healthy, the pool fails open: all
// enabled backends count as healthy. A pool with a table of its own per node would break the fleet,
// so next hops play no part in it. Who keeps known flows: everybody but disabled and unhealthy ones
// (unless the pool settles or fails open), and removed backends while they linger: for the longest
// flow timeout, but at least 5 minutes. A lingering one has no server ID any more: another backend
// may have it.
//
// Indices: backends' come from the registry; VIPs', pools' and next hops' are stable within the
// process. Thread safety: one thread.
#ifndef GUIDEWAY_CONTROLPLANE_COMPILER_COMPILER_H_
#define GUIDEWAY_CONTROLPLANE_COMPILER_COMPILER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "controlplane/compiler/backend_registry.h"
#include "controlplane/compiler/pool_slots.h"
#include "controlplane/compiler/tables.h"
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
  const std::map<IpAddress, ResolvedNextHop>* next_hops = nullptr;  // by backend address
  absl::Span<const channel::PortInfo> ports;                        // of the data plane
  absl::Time now;                                                   // wall clock
};

// What the tables came to, for the API.
struct CompiledBackend {
  uint16_t index = 0;
  double share = 0;        // of the pool's slots, 0..1
  std::string next_hop;    // "eth1 02:00:00:00:00:01", or why there is none
  bool reachable = false;  // there is a next hop
};
struct CompiledPool {
  uint32_t index = 0;
  uint64_t digest = 0;
  bool failed_open = false;
};
struct Compiled {
  Tables tables;
  std::map<std::string, CompiledBackend> backends;  // by key
  std::map<std::string, CompiledPool> pools;        // by name
  std::map<std::string, uint32_t> vip_indices;      // by name
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

// How long a removed backend lingers.
absl::Duration LingerTime(const v1::Config& config);
// The key of each backend of the configuration.
std::set<std::string> BackendKeys(const v1::Config& config);
// The port whose static gateway takes all destinations; null if there is none.
const v1::Port* StaticGatewayPort(const v1::Config& config);

class Compiler {
 public:
  explicit Compiler(BackendRegistry* registry) : registry_(registry) {}

  // Errors are of configurations that validation lets pass but tables cannot hold.
  absl::StatusOr<Compiled> Compile(const CompilerInput& input);

 private:
  absl::Status CompilePool(const CompilerInput& input, const v1::Pool& pool,
                           const std::set<uint16_t>& gone, Compiled* result);
  void CompileLingering(const CompilerInput& input, Compiled* result);
  std::set<uint16_t> GoneSinceLast() const;

  BackendRegistry* registry_;
  IndexAllocator vip_indices_;
  IndexAllocator pool_indices_;
  IndexAllocator next_hop_indices_;
  std::map<std::string, PoolSlotsBuilder> slots_;   // by pool name
  std::map<uint16_t, uint16_t> last_incarnations_;  // by backend index
  std::set<std::string> next_hops_used_;            // by the compilation going on
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_COMPILER_COMPILER_H_
