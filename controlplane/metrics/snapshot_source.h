// Takes snapshots on the event loop for threads that want one, in short turns.
//
// Copying the state of 10,000 backends takes milliseconds, in which a backend's failure would wait.
// So the loop copies a few hundred backends a turn and looks after everything else in between; a
// configuration that changes meanwhile begins it anew. One snapshot serves all who ask within
// kFreshFor. Thread safety: Get() and Stop() from any thread.
#ifndef GUIDEWAY_CONTROLPLANE_METRICS_SNAPSHOT_SOURCE_H_
#define GUIDEWAY_CONTROLPLANE_METRICS_SNAPSHOT_SOURCE_H_

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "controlplane/event_loop.h"
#include "controlplane/metrics/snapshot.h"
#include "controlplane/state_cursor.h"

namespace guideway {

// What is shown. All but the constructor of the source run on the loop's thread.
struct WatchHooks {
  // Calls back once, at once or later.
  std::function<void(std::function<void(absl::StatusOr<v1::GetStatsResponse>)>)> read_totals;
  // See Controller::FillStatePart().
  std::function<bool(int, StateCursor*, v1::GetStateResponse*)> fill_state_part;
  // The cursor has been through all.
  std::function<void(v1::GetStatusResponse*)> fill_status;
  std::function<void(Observations*)> fill_observations;
};

class SnapshotSource {
 public:
  static constexpr absl::Duration kFreshFor = absl::Milliseconds(500);
  static constexpr absl::Duration kPatience = absl::Seconds(3);
  static constexpr int kItemsPerTurn = 200;  // backends and VIPs

  // `loop` is borrowed until Stop().
  SnapshotSource(EventLoop* loop, WatchHooks hooks);
  ~SnapshotSource();
  SnapshotSource(const SnapshotSource&) = delete;
  SnapshotSource& operator=(const SnapshotSource&) = delete;

  // Waits for a snapshot; null if the loop does not get to it within kPatience, or after Stop().
  std::shared_ptr<const WatchSnapshot> Get();
  // Get() returns null from now on, also where it waits. No hook runs after it if it is called on
  // the loop's thread, or when the loop does not run any more.
  void Stop();

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_METRICS_SNAPSHOT_SOURCE_H_
