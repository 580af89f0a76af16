// What a change of the configuration does to the flows of a pool, found by compiling the pool as it
// is and as it would be. Pure but for its input: any thread.
#ifndef GUIDEWAY_CONTROLPLANE_COMPILER_IMPACT_H_
#define GUIDEWAY_CONTROLPLANE_COMPILER_IMPACT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "controlplane/compiler/compiler.h"
#include "lib/channel/messages.h"
#include "lib/config/guideway.pb.h"

namespace guideway {

struct PoolImpact {
  std::string pool;
  double moved_slots = 0;  // share of the slots that get another backend, 0..1
  // Share of the flows in the flow tables that are selected anew, 0..1; nullopt: it is some of
  // them, and nobody counts the flows of backends.
  std::optional<double> moved_flows;
  std::vector<std::string> losing_backends;  // those whose known flows are selected anew, by name
  double losing_slots = 0;                   // their share of the slots before
};

// Flows in the flow tables of a backend (by key); nullopt if nobody counts them.
using FlowCount = std::function<std::optional<uint64_t>(const std::string& key)>;

// What the comparison of a pool has to know of its backends, so that no state of the loop's is read
// while tables are built.
struct PoolFacts {
  struct Backend {
    HealthState health = HealthState::kUnprobed;
    bool ejected = false;
    bool keeps_flows = false;
    std::optional<uint64_t> flows;
  };
  std::map<std::string, Backend> backends;  // by key
  std::map<IpAddress, ResolvedNextHop> next_hops;
  std::vector<channel::PortInfo> ports;
  absl::Duration steady_now;
};

// The parts of `config` that a pool depends on, without pools and VIPs.
v1::Config WithoutPools(const v1::Config& config);

// `before` and `after` hold this one pool, whichever other fields they have, and no VIP. What
// `input` says of health holds for both; a backend that nobody probes yet counts as healthy.
// input.config is not used. Costs the building of two Maglev tables.
absl::StatusOr<PoolImpact> ComparePool(CompilerInput input, const v1::Config& before,
                                       const v1::Config& after, const FlowCount& flows);
// The same from facts about all backends of both.
absl::StatusOr<PoolImpact> ComparePool(const PoolFacts& facts, const v1::Config& before,
                                       const v1::Config& after);

// The share of all flow hashes that two tables of any sizes give to different owners.
double MovedShare(absl::Span<const channel::MaglevSlot> before,
                  absl::Span<const channel::MaglevSlot> after);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_COMPILER_IMPACT_H_
