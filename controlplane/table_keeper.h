// The tables that follow from configuration, health and next hops, kept up to date.
//
// Changes are noted as they come; Update() compiles what they touch and no more: the pools whose
// backends' health has changed, or everything. Both in turns, and large tables on the background
// thread, so that the event loop is never kept for long. While everything is compiled, changes of
// health wait for it, and all are in what follows. A newer configuration takes the place of one
// that is being compiled. Indices of backends and VIPs are on disk before tables that use them are
// handed out. Thread safety: loop thread only.
#ifndef GUIDEWAY_CONTROLPLANE_TABLE_KEEPER_H_
#define GUIDEWAY_CONTROLPLANE_TABLE_KEEPER_H_

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controlplane/background_thread.h"
#include "controlplane/compiler/backend_registry.h"
#include "controlplane/compiler/compiler.h"
#include "controlplane/compiler/pool_queue.h"
#include "controlplane/update_latency.h"

namespace guideway {

class TableKeeper {
 public:
  // `directory`: where the indices of backends and VIPs are kept. `background` outlives it.
  // `on_progress`: what was done in the background is there, Update() goes on.
  TableKeeper(const std::string& directory, BackgroundThread* background,
              std::function<void()> on_progress);

  // Reads the kept indices at `now` (EventLoop::Now()). What cannot be used is a damage() and
  // forgotten; so is what is not there though it should be (`were_kept`).
  void Load(absl::Duration now, bool were_kept);
  // Writes the files of indices again if somebody has removed them; about every second.
  void WatchFiles();

  // See Compiler.
  void SetHooks(std::function<void()> on_registered, std::function<bool()> awaits_next_hops) {
    compiler_.SetOnRegistered(std::move(on_registered));
    compiler_.SetAwaitsNextHops(std::move(awaits_next_hops));
  }

  // Gives up what is being compiled.
  void ConfigChanged(std::shared_ptr<const v1::Config> config);
  // Anything but health.
  void AllChanged() { all_changed_ = true; }
  // The health of a backend of `pool`, at `now` (monotonic).
  void HealthChanged(const std::string& pool, absl::Duration now);
  // There is something to do for Update() now.
  bool changed() const;
  // What has changed is not in compiled() yet, or not all of it.
  bool behind() const {
    return compiling_all() || built_ || !health_changed_.empty() || compiler_.IsBuildingAny();
  }
  // Everything is being compiled, or has to be.
  bool compiling_all() const { return all_changed_ || stage_ != Stage::kIdle; }

  // Goes on compiling what has changed until `time_is_up`, by one step at least. True: compiled()
  // is new. After an error all counts as changed. `on_compiled` is called for each pool after it
  // was.
  absl::StatusOr<bool> Update(const CompilerInput& input,
                              const std::function<void(const v1::Pool&)>& on_compiled,
                              const std::function<bool()>& time_is_up);

  const Compiled& compiled() const { return compiled_; }
  const BackendRegistry& registry() const { return registry_; }
  // Who of those that linger has no flows, see BackendRegistry; changed() if somebody may go.
  void ObserveFlows(const BackendRegistry::CountFlows& count, absl::Duration now) {
    all_changed_ |= registry_.ObserveFlows(count, now);
  }
  // The data plane is another one.
  void ForgetFlowCounts() { registry_.ForgetCounts(); }
  // Why the indices are not kept; empty: they are.
  const std::string& problem() const { return problem_; }
  // What was damaged of the kept ones, and what came of it; empty: nothing.
  std::string damage() const;
  // The owner says when tables are sent and in force.
  UpdateLatency* latency() { return &latency_; }
  const UpdateLatency& latency() const { return latency_; }

 private:
  bool HasUnreachable(const std::string& pool_name) const;
  // Of compiling everything: tables, their indices' files, what follows for each pool.
  enum class Stage : uint8_t { kIdle, kCompiling, kPrinting, kWriting, kFollowing };
  using OnCompiled = std::function<void(const v1::Pool&)>;
  using TimeIsUp = std::function<bool()>;

  void BeginAll();
  absl::StatusOr<bool> UpdateAll(const CompilerInput& input, const OnCompiled& on_compiled,
                                 const TimeIsUp& time_is_up);
  absl::StatusOr<bool> UpdatePools(const CompilerInput& input, const OnCompiled& on_compiled,
                                   const TimeIsUp& time_is_up);
  void PrintSome();
  void WriteFiles(std::string backends, std::string vips);
  void TakeCompiled();

  BackgroundThread* const background_;
  const std::function<void()> on_progress_;
  // Once loaded, the background thread's.
  const std::shared_ptr<KeptState> state_;
  const std::shared_ptr<KeptState> vip_state_;
  BackendRegistry registry_;
  Compiler compiler_;
  std::shared_ptr<const v1::Config> config_;
  Compiled compiled_;
  Stage stage_ = Stage::kIdle;
  bool all_changed_ = true;                    // since the last compilation of everything began
  PoolQueue health_changed_;                   // since the pool was compiled
  std::set<std::string> built_late_;           // changed while their table is being built
  bool built_ = false;                         // some table of UpdateHealth() is there
  std::map<std::string, int> pool_positions_;  // by name, in the configuration
  std::string printed_, printed_up_to_;
  uint64_t round_ = 0;  // tells the newest compilation from those that were given up
  int followed_ = 0;    // pools
  std::string problem_;
  std::string damage_;                     // of what is kept of backends
  std::string vip_damage_;                 // likewise of VIPs
  bool lost_ = false, vips_lost_ = false;  // it was beyond repair
  bool files_written_ = false;             // since the start
  bool looking_ = false;                   // WatchFiles() awaits its answer
  UpdateLatency latency_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_TABLE_KEEPER_H_
