// The controller: configuration + health + next hops -> tables -> data plane.
//
// Owns the probes, the resolver, the compiler and the session with the data plane. It is given
// complete configurations only (validated, defaults filled in) and never changes one. All calls on
// the event loop's thread.
#ifndef GUIDEWAY_CONTROLPLANE_CONTROLLER_H_
#define GUIDEWAY_CONTROLPLANE_CONTROLLER_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controlplane/api/guideway_service.pb.h"
#include "controlplane/compiler/impact.h"
#include "controlplane/config_changer.h"
#include "controlplane/event_loop.h"
#include "controlplane/metrics/snapshot.h"
#include "controlplane/state_cursor.h"
#include "lib/channel/layout.h"

namespace guideway {

class Controller {
 public:
  // Out of the way of what Kubernetes (bits 14 and 15) and others use by default.
  static constexpr uint32_t kProbeMark = 0x67770000, kProbeTable = 26487;
  struct Options {
    std::string dataplane_socket;  // Unix socket of the data plane's channel
    std::string state_directory;   // where backend indices are kept over restarts
    // The directory has been used before, so that it is a damage if they are not there.
    bool indices_were_kept = false;
    // Of probes through the tunnel, see tunnel/anchor.h.
    uint32_t probe_mark = kProbeMark;
    uint32_t probe_table = kProbeTable;
  };

  Controller(EventLoop* loop, Options options);
  ~Controller();

  // Loads kept state, starts connecting to the data plane (and goes on retrying).
  absl::Status Start();
  // Puts a configuration in force, in turns of the loop. Probes of unchanged backends keep their
  // state. `done` is called once, later: when the data plane has taken or refused the tables, when
  // they are made if they have to wait for a data plane or for settling; 2 s after that at the
  // latest, or 5 s after this call if they are not made by then.
  void SetConfig(const v1::Config& config, CommitDone done = nullptr);
  // The same without a copy; it is changed when drains end.
  void SetConfig(std::shared_ptr<v1::Config> config, CommitDone done = nullptr);
  // Those of the last configuration, or it is known that they cannot be made.
  bool tables_are_made() const;
  // Told of changes of health, tables in force and the data plane's connection. Not to call back.
  void set_on_event(std::function<void(v1::WatchEvent)> on_event);
  // Told why when another control plane has taken the place of this one, which had hung: it must
  // end.
  void set_on_replaced(std::function<void(const std::string&)> on_replaced);
  // No outcome is awaited any more; whoever awaits one is told so. What is to outlast the end is on
  // disk. After the loop's last turn, before the API's server ends.
  void PrepareEnd();
  // Takes down what the kernel would keep: programs that probe, the probes' device and rules.
  // Nothing may be called afterwards. After the API's server has ended, or the loop at least, whose
  // calls fail then.
  void End();

  // For ComparePool(): adds what is known of `count` of the pool's backends, from the one numbered
  // `first` on, so that a large pool takes several turns.
  void AddFacts(const v1::Pool& pool, int first, int count, PoolFacts* facts) const;
  // What the connected data plane has said that it can hold, see capacity.h; absent while none is
  // connected.
  std::optional<channel::Welcome> Capacities() const;

  void FillState(v1::GetStateResponse* state) const;
  // Fills the fields about the data plane and settling; the caller fills the rest.
  void FillStatus(v1::GetStatusResponse* status) const;
  // Problems of the data plane that are to be told at once; short.
  void FillUrgent(v1::GetStatusResponse* status) const;
  // Asks the data plane for fresh counters, then calls `done` (or with an error after 1 s).
  void ReadStats(std::function<void(absl::StatusOr<v1::GetStatsResponse>)> done);
  // Asks the data plane what it knows of the flow, then calls `done`; at once with
  // INVALID_ARGUMENT.
  void ExplainFlow(const v1::ExplainFlowRequest& request,
                   std::function<void(absl::StatusOr<v1::ExplainFlowResponse>)> done);

  // For metrics: as ReadStats(), without VIPs, which FillStatePart() then has as fresh.
  void ReadTotals(std::function<void(absl::StatusOr<v1::GetStatsResponse>)> done);
  // FillState() in parts: goes on from `cursor` by at most `count` backends and VIPs; true when all
  // is in. Begins anew if the configuration is another one by now.
  bool FillStatePart(int count, StateCursor* cursor, v1::GetStateResponse* state) const;
  void FillObservations(Observations* observations) const;
  // Orders over the heads of the probes; see HealthGuards for errors and `change`. Forced health is
  // to be kept by KeepOrders() before it is answered.
  absl::Status ForceHealth(const v1::ForceHealthRequest& request, std::string* change);
  absl::Status PauseProbes(const v1::PauseProbesRequest& request, std::string* change);
  // Writes the orders that are in force to the disk; an error says that they are not kept over a
  // restart. On any one thread but the loop's, which it may wait for.
  absl::Status KeepOrders();
  // Told, on the loop, when a configuration has ended some, so that they are to be kept.
  void set_on_orders_forgotten(std::function<void()> on_forgotten);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_CONTROLLER_H_
