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
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "controlplane/compiler/backend_registry.h"
#include "controlplane/compiler/index_pool.h"
#include "controlplane/compiler/pool_slots.h"
#include "controlplane/compiler/reachability.h"
#include "controlplane/compiler/roles.h"
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
  bool in_use = false;          // a VIP leads to it
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
  IndexPool pool_;
};

// How long a removed backend lingers at most.
absl::Duration LingerLimit(const v1::Config& config);
// The key of each backend of the pool.
void AddBackendKeys(const v1::Pool& pool, std::set<std::string>* keys);
// The port whose static gateway takes all destinations; null if there is none.
const v1::Port* StaticGatewayPort(const v1::Config& config);

class Compiler {
 public:
  // Builds a table elsewhere and calls `done`, later, on the compiler's thread.
  using BuildDone = std::function<void(absl::StatusOr<PoolSlotsBuilder::Built>)>;
  using BuildElsewhere = std::function<void(const PoolSlotsBuilder::Build&, BuildDone done)>;
  using TimeIsUp = std::function<bool()>;

  // `on_built` is called when a table has been built elsewhere: there is something to go on with.
  explicit Compiler(BackendRegistry* registry, BuildElsewhere build_elsewhere = nullptr,
                    std::function<void()> on_built = nullptr)
      : registry_(registry),
        build_elsewhere_(std::move(build_elsewhere)),
        on_built_(std::move(on_built)) {}
  // Its owner loads and saves it.
  VipRegistry* vips() { return &vips_; }

  // Errors are of configurations that validation lets pass but tables cannot hold.
  absl::StatusOr<Compiled> Compile(const CompilerInput& input);

  // The same bit by bit. Begin() gives up what is going on. `config` is what each input's is until
  // the end. Small tables are built at once in the first Continue(), all others elsewhere.
  void Begin(std::shared_ptr<const v1::Config> config);
  // Returns what is left of it, which is many pieces: somebody else may free them.
  std::shared_ptr<void> Abandon();
  // Goes on, by one step at least, until `time_is_up`, all is done or all that is left is built
  // elsewhere. `prepare` is called for each pool before its roles are given. True: done, Take() it.
  // After an error there is no compilation any more.
  absl::StatusOr<bool> Continue(const CompilerInput& input, const TimeIsUp& time_is_up,
                                const std::function<void(const v1::Pool&)>& prepare = nullptr);
  // Whether Continue() would do something now.
  bool CanContinue() const;
  // Set before tables are made: backends that get their indices are to be looked up first.
  void SetOnRegistered(std::function<void()> on_registered) {
    on_registered_ = std::move(on_registered);
  }
  // Holds Continue() back before next hops are needed, while it says true.
  void SetAwaitsNextHops(std::function<bool()> awaits) { awaits_next_hops_ = std::move(awaits); }
  // `rest` (may be null) gets what was needed to make it, as from Abandon().
  Compiled Take(std::shared_ptr<void>* rest = nullptr);

  // Brings up to date what the last compilation came to, after a change of nothing but the health
  // of backends of `pool`. Costs what this pool costs. False: its table is being built elsewhere,
  // ask again after on_built. After an error only compiling all will do.
  absl::StatusOr<bool> UpdateHealth(const CompilerInput& input, const v1::Pool& pool,
                                    Compiled* compiled);
  bool IsBuilding(const std::string& pool) const { return updates_->building.contains(pool); }
  bool IsBuildingAny() const { return !updates_->building.empty(); }
  // Of UpdateHealth(): pools whose tables have been built elsewhere since the last call are put in.
  absl::StatusOr<std::vector<std::string>> TakeBuilt(Compiled* compiled);

 private:
  // A pool whose roles are given, until its table is there.
  struct Assignment {
    const v1::Pool* pool = nullptr;
    std::vector<std::string> keys;  // of its backends
    PoolRoles roles;
    absl::Duration next_step;
    std::optional<PoolSlotsBuilder::Build> build;  // nullopt: the table is there
  };
  struct Finished {
    Assignment assignment;
    absl::StatusOr<PoolSlotsBuilder::Built> built;
  };
  enum class Phase {
    kKeys,
    kRetain,
    kRegister,
    kIncarnations,
    kForget,  // names that are gone
    kRegistered,
    kNextHops,
    kPools,
    kLingering,
    kVips,
    kForgetSights,
    kDone
  };
  struct Job {
    std::shared_ptr<const v1::Config> config;
    Compiled result;
    Phase phase = Phase::kKeys;
    int next = 0;       // pool or VIP
    std::string after;  // key in the registry
    std::set<std::string> keys;
    std::vector<uint16_t> incarnations;  // by backend index; 0: none
    std::set<uint16_t> gone;             // since the last compilation
    std::set<std::string> next_hops_used;
    absl::flat_hash_set<absl::string_view> pools_in_use;  // names in `config`
    bool first_turn = true;
    int building = 0;  // elsewhere
    std::vector<Finished> finished;
  };

  // One step; where it got to is in the job. See compilation.cc.
  absl::Status Step(const CompilerInput& input,
                    const std::function<void(const v1::Pool&)>& prepare);
  absl::Status RunSteps(const CompilerInput& input, const TimeIsUp& time_is_up,
                        const std::function<void(const v1::Pool&)>& prepare);
  void NextPhase();
  bool AllPoolsAreAssigned() const;
  void RetainSome(const CompilerInput& input);
  absl::Status Register(const CompilerInput& input, const v1::Pool& pool);
  void NoteIncarnations();
  bool ForgetSome(absl::Duration now);
  // A pool's backends and their next hops.
  absl::Status PlacePool(const CompilerInput& input, const v1::Pool& pool, Compiled* result);
  // Who of it gets what, by health.
  Assignment Assign(const CompilerInput& input, const v1::Pool& pool,
                    const std::set<uint16_t>& gone, const Compiled& compiled);
  absl::Status AssignSlots(const Assignment& assignment,
                           absl::StatusOr<PoolSlotsBuilder::Built> built, Compiled* result);
  absl::Status PoolStep(const CompilerInput& input, const v1::Pool& pool);
  absl::Status PlaceLingering(const CompilerInput& input);
  void ForgetSights();
  absl::Status PlaceVip(const v1::Vip& vip);
  bool IsShort(const PoolSlotsBuilder::Build& build) const;

  BackendRegistry* registry_;
  VipRegistry vips_;
  const BuildElsewhere build_elsewhere_;  // null: all tables are built at once
  const std::function<void()> on_built_;
  std::function<void()> on_registered_;
  std::function<bool()> awaits_next_hops_;
  bool at_once_ = false;      // all tables are built at once
  std::shared_ptr<Job> job_;  // null: none; builds hold it weakly
  IndexAllocator pool_indices_;
  IndexAllocator next_hop_indices_;
  std::map<std::string, PoolSlotsBuilder> slots_;  // by pool name
  std::map<std::string, SlowStart> slow_starts_;   // by pool name
  Reachability reachability_;
  std::vector<uint16_t> last_incarnations_;  // by backend index; 0: none
  // Of UpdateHealth(); replaced by each Begin().
  struct Updates {
    std::set<std::string> building;  // pools
    std::vector<Finished> finished;
  };
  std::shared_ptr<Updates> updates_ = std::make_shared<Updates>();
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_COMPILER_COMPILER_H_
