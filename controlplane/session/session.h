// The session with the data plane: connects, brings its tables to what is wanted, reads counters.
//
// Reconnects by itself (100 ms .. 1 s). One transaction at most is in flight; while it is, newer
// tables replace what waits. After a reconnect it goes on from the tables that the data plane
// reports to have if this object sent them, else it sends everything. Tables that the data plane
// refuses are not sent again until SetWanted() is called again. Tables are in force when all
// workers use them: while one does not, newer ones wait. What became of tables is told to the
// outcome handler. Thread safety: loop thread only.
#ifndef GUIDEWAY_CONTROLPLANE_SESSION_SESSION_H_
#define GUIDEWAY_CONTROLPLANE_SESSION_SESSION_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controlplane/compiler/tables.h"
#include "controlplane/event_loop.h"
#include "controlplane/session/dataplane_pulse.h"
#include "controlplane/session/flow_lookups.h"
#include "controlplane/session/transaction.h"
#include "lib/channel/controlplane_end.h"
#include "lib/channel/layout.h"
#include "lib/stats/duration_histogram.h"

namespace guideway {

class Session {
 public:
  using CountersDone =
      std::function<void(absl::StatusOr<std::shared_ptr<const channel::CountersRegion>>)>;

  // What became of the tables of one SetWanted(): OK, in force; RESOURCE_EXHAUSTED, refused for
  // lack of memory; FAILED_PRECONDITION, refused for another reason. Tables that newer ones have
  // replaced before they were sent have no outcome. `in_force_at`: when the last worker came to use
  // them, as EventLoop::Now(); if they are in force. May be called from within SetWanted().
  using OnOutcome =
      std::function<void(uint64_t ticket, const absl::Status& outcome, absl::Duration in_force_at)>;

  // `on_ready` is called after each handshake: the ports are known, SetWanted() may be called.
  Session(EventLoop* loop, std::string socket_path, std::function<void()> on_ready);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void Start();
  void set_on_outcome(OnOutcome on_outcome) { on_outcome_ = std::move(on_outcome); }
  // Called when the connection breaks that was ready, after problem() says why.
  void set_on_lost(std::function<void()> on_lost) { on_lost_ = std::move(on_lost); }
  // Called with the reason when another control plane has taken the place of this one.
  void set_on_replaced(std::function<void(const std::string&)> on_replaced) {
    on_replaced_ = std::move(on_replaced);
  }
  // Called when welcome().ports differ from what they were.
  void set_on_ports(std::function<void()> on_ports) { on_ports_ = std::move(on_ports); }
  // The tables that should be in force. Sent at once if nothing is in flight. `ticket` is what the
  // outcome handler is told.
  void SetWanted(std::shared_ptr<const Tables> tables, uint64_t ticket = 0);
  // Forgets what is wanted (it no longer fits the ports of the data plane).
  void ClearWanted();
  // Fails with Unavailable (not connected) or DeadlineExceeded (after 1 s).
  void ReadCounters(CountersDone done);
  // What the data plane's flow tables know of a flow. Fails like ReadCounters().
  void LookupFlow(const FlowKey& flow, FlowLookups::Done done);

  bool ready() const { return end_ != nullptr && end_->ready(); }
  // What the data plane said at the last handshake, with its ports as they are now; zeros before
  // the first. A port whose interface is gone has no kernel_interface.
  const channel::Welcome& welcome() const { return welcome_; }
  // What the data plane counts for now; null: nothing, or a former control plane's tables.
  std::shared_ptr<const Tables> in_force() const {
    const bool ours = ready() && in_force_.instance == welcome_.instance &&
                      in_force_.generation == reported_generation_;
    return ours ? in_force_.tables : nullptr;
  }
  // True if the data plane has tables, but not from this object: a former control plane's.
  bool dataplane_has_foreign_tables() const;
  const std::string& problem() const { return problem_; }  // empty: connected and in step
  uint64_t generation() const;                             // in force
  // For how long the data plane has not moved; zero unless that is worth to be said.
  absl::Duration DataplaneSilence() const { return pulse_.Silence(); }
  // What the data plane says of its workers and ports; zeros while none is connected.
  const channel::DataplaneVitals& vitals() const { return pulse_.vitals(); }
  // Why tables that were sent are not in force: which worker does not take them. Empty: no such
  // reason.
  std::string DelayReason() const;
  absl::Duration DelayTime() const;  // for how long; zero without a reason
  uint64_t wanted_generation() const { return wanted_generation_; }  // newest sent
  // From a request into the ring to its response, by "counters" and "commit".
  const std::map<std::string, DurationHistogram>& response_times() const { return response_times_; }

 private:
  struct Outstanding {  // a request whose response is to come
    channel::MessageType type;
    int arena_slot;  // -1: none
    absl::Duration sent;
  };
  struct InForce {  // what the data plane has, as far as this object knows
    std::shared_ptr<const Tables> tables;
    uint64_t instance = 0;
    uint64_t generation = 0;
  };
  struct Awaited {                             // what some worker may not have taken yet
    std::unique_ptr<Transaction> transaction;  // its tables; null: the data plane's as they were
    uint64_t ticket = 0;
    absl::Duration since;
    absl::Duration pause;            // until it is asked again
    std::optional<uint64_t> worker;  // which; none: it was not asked yet
  };
  struct CountersWaiter {
    CountersDone done;
    EventLoop::TimerId timer;
    uint64_t id;
  };

  void Connect();
  void OnSocket();
  void OnReady();
  void OnDoorbell();
  void OnResponse(const channel::Response& response);
  void FinishTransaction();
  void OnCommitted(const Transaction& transaction, uint64_t ticket);
  void Await(std::unique_ptr<Transaction> transaction);
  void OnAwaited(const channel::Response& response);
  void AskSoon();
  void OnLook();
  void Report(uint64_t ticket, const absl::Status& outcome,
              absl::Duration in_force_at = absl::ZeroDuration());
  void FinishCounters();
  std::shared_ptr<channel::CountersRegion> SpareCounters();
  void Lose(const absl::Status& why);
  // Sends what there is to send and room for; disconnects on errors.
  void Pump();
  absl::Status PumpTransaction();
  void PumpSoon();
  absl::StatusOr<bool> Put(channel::Request request, const PoolSlots& slots);
  void StartTransaction();
  void EndEmptyTransaction();
  void FailCounters(const absl::Status& why);
  // Sees to it that somebody notices if the oldest answer that is owed does not come.
  void ExpectAnswers();
  void CheckAnswers();

  EventLoop* loop_;
  const std::string path_;
  std::function<void()> on_ready_;
  std::unique_ptr<channel::ControlplaneEnd> end_;
  channel::Welcome welcome_;
  absl::Duration backoff_;
  EventLoop::TimerId retry_timer_ = 0;
  EventLoop::TimerId answer_timer_ = 0;
  absl::Duration connected_at_;
  DataplanePulse pulse_;
  EventLoop::TimerId pump_timer_ = 0;
  std::string problem_;

  std::shared_ptr<const Tables> wanted_;  // null: nothing, or already in force or in flight
  uint64_t wanted_ticket_ = 0;
  std::unique_ptr<Transaction> transaction_;
  uint64_t transaction_ticket_ = 0;
  OnOutcome on_outcome_;
  absl::Duration in_force_at_;  // of the newest commit, see OnOutcome
  std::function<void()> on_lost_;
  std::function<void(const std::string&)> on_replaced_;
  std::function<void()> on_ports_;
  std::optional<Awaited> awaited_;
  EventLoop::TimerId ask_timer_ = 0;
  bool ask_now_ = false;
  InForce in_force_;
  InForce attempted_;  // whose commit was sent and not answered when the connection broke
  uint64_t reported_generation_ = 0;
  uint64_t last_generation_ = 0;    // never used twice
  uint64_t wanted_generation_ = 0;  // of the tables wanted last; a refused one's does not count
                                    // once what is in force is wanted again
  bool force_full_ = false;

  std::deque<Outstanding> outstanding_;
  std::vector<uint32_t> free_arena_slots_;
  std::vector<CountersWaiter> counters_waiting_;
  uint64_t next_waiter_id_ = 1;
  bool counters_asked_ = false;
  // For the last ones, and for those that are read meanwhile. Made before there are turns.
  std::shared_ptr<channel::CountersRegion> counters_memory_[2];
  std::map<std::string, DurationHistogram> response_times_;
  FlowLookups flow_lookups_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_SESSION_SESSION_H_
