// What a Controller is made of; see controller.h. Included by its source files only.
#ifndef GUIDEWAY_CONTROLPLANE_CONTROLLER_IMPL_H_
#define GUIDEWAY_CONTROLPLANE_CONTROLLER_IMPL_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controlplane/background_thread.h"
#include "controlplane/commit_wait.h"
#include "controlplane/compiler/compiler.h"
#include "controlplane/controller.h"
#include "controlplane/drain_deadlines.h"
#include "controlplane/events.h"
#include "controlplane/explain.h"
#include "controlplane/former_pools.h"
#include "controlplane/health/prober.h"
#include "controlplane/health/settling.h"
#include "controlplane/health_guards.h"
#include "controlplane/lingering.h"
#include "controlplane/passive_health.h"
#include "controlplane/probe_plan.h"
#include "controlplane/resolver/resolver.h"
#include "controlplane/session/session.h"
#include "controlplane/state_report.h"
#include "controlplane/table_keeper.h"
#include "controlplane/tunnel/probe_tunnel.h"
#include "controlplane/unreachable.h"
#include "controlplane/verdict_keeper.h"

namespace guideway {

// Setting the probes anew: of those in the configuration, and of those that linger, which are no
// part of what settles or is shown. Its parts come one after the other, each step by step.
struct ProbeChange {
  enum Part : uint8_t {
    kLingering,        // who has left the configuration is known
    kFormer,           // likewise, of pools that are not in it any more, after a start
    kLingeringConfig,  // and how they are probed
    kPlan,
    kLingeringPlan,
    kMerge,  // these two into one
    kBegin,  // from now on the parts of the controller hear of it
    kStatistics,
    kTargets,
    kGuards,
    kGuardsProbes,
    kSettling,
    kStarts,  // nobody new is probed before all others know of it
    kDone,
  };

  Part part = kLingering;
  bool begun = false;                        // the part
  std::shared_ptr<const v1::Config> config;  // is there as long as this
  std::optional<LingeringProbes::ProbedConfig> lingering_config_maker;
  v1::Config lingering_config;
  std::optional<ProbePlanner> planner, lingering_planner;
  ProbePlan plan, lingering_plan;
  std::map<std::string, std::string>::const_iterator next_key;             // of kStatistics
  std::map<std::string, std::set<std::string>>::const_iterator next_pool;  // of kSettling
};

class Controller::Impl {
 public:
  Impl(EventLoop* loop, Options options);
  ~Impl();

  absl::Status Start();
  void SetConfig(std::shared_ptr<v1::Config> config, CommitDone done);
  bool tables_are_made() const { return tables_are_made_; }
  void PrepareEnd() {
    commit_.Stop();
    verdict_keeper_.KeepNow();
    probe_tunnel_.SetInUse(false);
  }
  void ReadStats(bool by_vip, std::function<void(absl::StatusOr<v1::GetStatsResponse>)> done);
  void Explain(const FlowKey& flow, ExplainDone done);
  absl::Status ForceHealth(const v1::ForceHealthRequest& request, std::string* change);
  absl::Status PauseProbes(const v1::PauseProbesRequest& request, std::string* change);
  absl::Status KeepOrders();
  HealthGuards* guards() { return &guards_; }
  StateReport Report() const;
  const Session& session() const { return session_; }
  Events& events() { return events_; }
  void FillProblems(v1::GetStatusResponse* status) const;
  void set_on_replaced(std::function<void(const std::string&)> on_replaced) {
    session_.set_on_replaced(std::move(on_replaced));
  }
  void AddFacts(const v1::Pool& pool, int first, int count, PoolFacts* facts) const;
  std::optional<channel::Welcome> Capacities() const {
    if (!session_.ready()) return std::nullopt;
    return session_.welcome();
  }
  void FillVerdictProblems(v1::GetStatusResponse* status) const {
    verdict_keeper_.FillStatus(status);
  }
  void FillObservations(Observations* observations) const {
    observations->probes = probe_statistics_.pools();
    observations->channel = session_.response_times();
    observations->loop_turns = loop_->meter().turns();
    observations->loop_work = loop_->meter().ByWork();
  }

 private:
  void OnOutcome(uint64_t ticket, const absl::Status& outcome, absl::Duration in_force_at);
  // Of a backend in the flow tables, a second ago at most; nullopt: not known.
  std::optional<uint64_t> FlowsOf(const std::string& key) const;
  HealthState HealthOf(const std::string& key) const { return guards_.HealthOf(key); }
  // The same, but that in a pool that settles all are healthy of whom nothing was known before.
  HealthState HealthForTables(const std::string& key) const;
  ResolvedNextHop NextHopOf(const IpAddress& backend) const;
  void OnHealth(const std::string& key);
  void OnDataplane();
  // In turns, if there are many. Tables wait for it: they need to know who settles. A newer one
  // takes the place of one that goes on, from wherever that has got to.
  void SetProbes();
  void ContinueProbes(absl::Duration end);  // of the turn, as EventLoop::Now()
  bool StepProbes();
  void BeginProbesPart();
  void MakePlanner(const v1::Config& config, std::optional<ProbePlanner>* planner);
  bool StepLingering();
  void FindFormer(const std::shared_ptr<FormerPools>& search);
  bool StepMerge();
  bool StepStatistics();
  bool StepSettling();
  // Next hops for all that is in the tables: also of those backends that linger.
  void SetDestinations();
  bool UpdateSettling();
  bool AwaitsNextHops();
  void UpdateSoon();
  void RecompileSoon() {
    tables_.AllChanged();
    UpdateSoon();
  }
  // A turn of bringing the tables up to date with what is noted as changed.
  void Update();
  // Why the tables are not on their way to the data plane; ok if they are.
  absl::Status Send();
  CompilerInput MakeInput() const;
  CommitDone WithWarnings(std::shared_ptr<const v1::Config> before, CommitDone done);
  void EndDrains();
  void SetDeadlineTimer();
  void KeepCountersFresh();
  void ObserveFlows();
  void ObserveLingering();
  void DoubtUnprobed();
  void OnProbed(const std::string& key, ProbeResult::Outcome outcome, absl::Duration took);

  EventLoop* loop_;
  const Options options_;
  // Posted closures hold it: false once this object is gone.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  BackgroundThread background_;
  Events events_;
  bool has_config_ = false;
  std::shared_ptr<v1::Config> config_ = std::make_shared<v1::Config>();  // ended drains: disabled
  DrainDeadlines drains_;
  uint64_t config_epoch_ = 1;
  TableKeeper tables_;
  Settling settling_;
  PassiveHealth passive_;
  ProbeTunnel probe_tunnel_;
  ProbeStatistics probe_statistics_;
  Prober prober_;
  HealthGuards guards_;
  VerdictKeeper verdict_keeper_;
  UnreachableBackends unreachable_;
  LingeringProbes lingering_;
  std::shared_ptr<const v1::Config> lingering_config_;  // that lingering_ knows; null: none yet
  std::shared_ptr<const v1::Config> former_;            // see FormerPools; null: nothing was found
  std::map<std::string, std::string> pool_of_key_;
  Resolver resolver_;
  bool resolver_started_ = false;
  uint64_t destinations_of_ = 0;  // the registry's membership() that the resolver knows
  bool next_hops_known_ = false;  // once after the start, or not within kNextHopPatience
  absl::Duration next_hop_deadline_;
  int doubted_pool_ = 0, doubted_backend_ = 0;  // of config_: whom DoubtUnprobed() asks next
  Session session_;
  void SetCounters(std::shared_ptr<const channel::CountersRegion> counters);

  std::shared_ptr<const channel::CountersRegion> counters_;
  uint64_t counted_instance_ = 0;                 // of the data plane whose flows were counted last
  std::shared_ptr<const Tables> counted_tables_;  // in force when they were read
  std::shared_ptr<ProbeChange> probe_change_;     // null: probes are as configured
  bool update_posted_ = false;
  bool tables_are_made_ = false;  // of config_, as far as they can be
  uint64_t last_ticket_ = 0;      // of the tables given to the session last
  // Since when tables have waited to come into force, as EventLoop::Now(); absent: none do.
  std::optional<absl::Duration> behind_since_;
  CommitWait commit_;
  absl::Duration retry_backoff_;
  EventLoop::TimerId retry_timer_ = 0;
  EventLoop::TimerId deadline_timer_ = 0;
  EventLoop::TimerId counters_timer_ = 0;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_CONTROLLER_IMPL_H_
