// Wiring: configuration, probes, resolver -> compiler -> session, and their state for the API.
#include "controlplane/controller.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <random>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controlplane/capacity.h"
#include "controlplane/commit_wait.h"
#include "controlplane/compiler/compiler.h"
#include "controlplane/compiler/egress.h"
#include "controlplane/compiler/pool_queue.h"
#include "controlplane/drain_deadlines.h"
#include "controlplane/events.h"
#include "controlplane/explain.h"
#include "controlplane/health/prober.h"
#include "controlplane/health/settling.h"
#include "controlplane/passive_health.h"
#include "controlplane/probe_plan.h"
#include "controlplane/resolver/resolver.h"
#include "controlplane/session/session.h"
#include "controlplane/state_report.h"
#include "controlplane/tunnel/probe_tunnel.h"
#include "controlplane/update_latency.h"
#include "glog/logging.h"
#include "lib/base/status.h"
#include "lib/config/schema.h"

namespace guideway {
namespace {

// How old the traffic figures in FillState() may be.
constexpr absl::Duration kCountersInterval = absl::Seconds(1);

uint16_t RandomIncarnation() {
  std::random_device random;
  return static_cast<uint16_t>(random() % 0xffff + 1);
}

// How long tables in force wait after a start for the kernel to say where the next hops are.
constexpr absl::Duration kNextHopPatience = absl::Seconds(2);
// How long pools are compiled in one turn of the event loop, one pool at least.
constexpr absl::Duration kCompileTurn = absl::Milliseconds(5);
// The wall clock may be set while the end of a drain is awaited: so often it is looked at.
constexpr absl::Duration kDrainCheck = absl::Seconds(60);
// What was refused for lack of memory is tried again.
constexpr absl::Duration kFirstMemoryRetry = absl::Seconds(1);
constexpr absl::Duration kLongestMemoryRetry = absl::Seconds(60);

}  // namespace

class Controller::Impl {
 public:
  Impl(EventLoop* loop, Options options)
      : loop_(loop),
        options_(std::move(options)),
        registry_(RandomIncarnation()),
        compiler_(&registry_),
        probe_tunnel_(loop, {options_.probe_mark, options_.probe_table},
                      [this](const IpAddress& backend) { return NextHopOf(backend); }),
        prober_(
            loop, [this](const std::string& key) { OnHealth(key); },
            [this](const std::string& key, ProbeResult::Outcome outcome, absl::Duration took) {
              probe_statistics_.Record(key, outcome, took);
            }),
        resolver_(loop, [this] { RecompileSoon(); }),
        session_(loop, options_.dataplane_socket, [this] { OnDataplane(); }),
        commit_(loop) {
    session_.set_on_outcome([this](uint64_t ticket, const absl::Status& outcome) {
      // Not within the session's own doings.
      loop_->Post([this, alive = alive_, ticket, outcome] {
        if (*alive) OnOutcome(ticket, outcome);
      });
    });
    session_.set_on_lost([this] { events_.OnDataplane(false, session_.problem()); });
  }
  ~Impl() {
    *alive_ = false;
    for (EventLoop::TimerId timer : {deadline_timer_, counters_timer_, retry_timer_}) {
      loop_->Cancel(timer);
    }
  }

  absl::Status Start();
  void SetConfig(const v1::Config& config, CommitDone done);
  void StopWaiting() { commit_.Stop(); }
  void ReadStats(bool by_vip, std::function<void(absl::StatusOr<v1::GetStatsResponse>)> done);
  void Explain(const FlowKey& flow, ExplainDone done);
  StateReport Report() const;
  Events& events() { return events_; }
  absl::StatusOr<PoolImpact> Compare(const v1::Config& before, const v1::Config& after) const {
    return ComparePool(MakeInput(), before, after, /*flows=*/nullptr);
  }
  std::vector<std::string> BeyondCapacity(const v1::Config& config) const {
    if (!session_.ready()) return {};
    return BeyondCapacityOf(session_.welcome(), config);
  }
  void FillObservations(Observations* observations) const {
    observations->probes = probe_statistics_.pools();
    observations->channel = session_.response_times();
  }

 private:
  void OnOutcome(uint64_t ticket, const absl::Status& outcome);
  std::string IndexFile() const { return options_.state_directory + "/backend-indices"; }
  HealthState HealthOf(const std::string& key) const;
  ResolvedNextHop NextHopOf(const IpAddress& backend) const;
  void OnHealth(const std::string& key);
  void OnDataplane();
  void SetProbes();
  void SetDestinations();
  bool UpdateSettling();
  absl::Status Compile();
  absl::Status CompileHealth(const CompilerInput& input);
  bool AwaitsNextHops();
  void RecompileSoon(bool health_only = false);
  // Why the tables are not on their way to the data plane; ok if they are. `health_only`: nothing
  // else has changed that is not noted in all_changed_.
  absl::Status Recompile(bool health_only = false);
  CompilerInput MakeInput() const;
  void EndDrains();
  void SetDeadlineTimer();
  void KeepCountersFresh();
  void ObserveFlows();

  EventLoop* loop_;
  const Options options_;
  // Posted closures hold it: false once this object is gone.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  Events events_;
  bool has_config_ = false;
  v1::Config config_;  // drains that are over: disabled
  absl::Time next_drain_end_ = absl::InfiniteFuture();
  uint64_t config_epoch_ = 1;
  BackendRegistry registry_;
  Compiler compiler_;
  Settling settling_;
  PassiveHealth passive_;
  ProbeTunnel probe_tunnel_;
  ProbeStatistics probe_statistics_;
  Prober prober_;
  std::map<std::string, std::string> pool_of_key_;
  Resolver resolver_;
  bool resolver_started_ = false;
  bool next_hops_known_ = false;  // once after the start, or not within kNextHopPatience
  absl::Duration next_hop_deadline_;
  Session session_;
  Compiled compiled_;
  bool all_changed_ = true;   // since the last compilation: more than health
  PoolQueue health_changed_;  // pools whose backends' health has changed since then
  std::map<std::string, int> pool_positions_;  // by name, in config_
  std::shared_ptr<const channel::CountersRegion> counters_;
  std::string keep_problem_;  // of the backend indices; empty: none
  bool recompile_posted_ = false;
  uint64_t last_ticket_ = 0;  // of the tables given to the session last
  CommitWait commit_;
  UpdateLatency update_latency_;
  absl::Duration retry_backoff_ = kFirstMemoryRetry;
  EventLoop::TimerId retry_timer_ = 0;
  EventLoop::TimerId deadline_timer_ = 0;
  EventLoop::TimerId counters_timer_ = 0;
};

absl::Status Controller::Impl::Start() {
  if (mkdir(options_.state_directory.c_str(), 0750) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, absl::StrCat("make directory ", options_.state_directory));
  }
  const absl::Status loaded = registry_.Load(IndexFile());
  if (absl::IsInvalidArgument(loaded)) {
    LOG(ERROR) << loaded.message() << "; backends get new indices, known flows are selected anew";
  } else if (!loaded.ok()) {
    return loaded;
  }
  session_.Start();
  KeepCountersFresh();
  return absl::OkStatus();
}

HealthState Controller::Impl::HealthOf(const std::string& key) const {
  const HealthStateMachine* health = prober_.Find(key);
  return health != nullptr ? health->state() : HealthState::kUnprobed;
}

void Controller::Impl::SetConfig(const v1::Config& config, CommitDone done) {
  const uint64_t first_ticket = last_ticket_ + 1;
  if (!has_config_) next_hop_deadline_ = loop_->Now() + kNextHopPatience;
  config_ = config;
  next_drain_end_ = ApplyDrainDeadlines(absl::Now(), &config_);
  pool_positions_.clear();
  for (int i = 0; i < config_.pools_size(); ++i) pool_positions_[config_.pools(i).name()] = i;
  ++config_epoch_;
  has_config_ = true;
  passive_.SetConfig(config_);
  SetProbes();
  // Next hops for all that is in the tables: also of those backends that begin to linger now.
  Recompile().IgnoreError();
  SetDestinations();
  const absl::Status sent = Recompile();
  commit_.Begin(std::move(done), first_ticket, last_ticket_, sent);
}

void Controller::Impl::OnOutcome(uint64_t ticket, const absl::Status& outcome) {
  if (outcome.ok()) {
    retry_backoff_ = kFirstMemoryRetry;
    update_latency_.InForce(ticket, loop_->Now());
    events_.OnTables(session_.generation());
  }
  if (commit_.OnOutcome(ticket, outcome) || outcome.ok()) return;
  // Nobody's change but a turn of health or next hops; newer tables are a try of their own.
  if (!absl::IsResourceExhausted(outcome) || ticket != last_ticket_ || retry_timer_ != 0) return;
  retry_timer_ = loop_->After(retry_backoff_, [this] {
    retry_timer_ = 0;
    Recompile().IgnoreError();
  });
  retry_backoff_ = std::min(retry_backoff_ * 2, kLongestMemoryRetry);
}

void Controller::Impl::SetProbes() {
  ProbePlan plan = MakeProbePlan(
      config_, [this](const TunnelTarget& target) { return probe_tunnel_.MakePath(target); });
  pool_of_key_ = std::move(plan.pool_of_key);
  probe_statistics_.SetPools(pool_of_key_);
  probe_tunnel_.SetInUse(plan.uses_tunnel);
  prober_.SetTargets(plan.targets);
  settling_.SetPools(plan.keys_by_pool, FromProto(config_.settle_time()), loop_->Now());
  UpdateSettling();
}

void Controller::Impl::SetDestinations() {
  std::set<IpAddress> destinations;
  if (StaticGatewayPort(config_) == nullptr) {
    for (const auto& [key, record] : registry_.records()) destinations.insert(record.address);
    if (!resolver_started_) {
      const absl::Status started = resolver_.Start();
      resolver_started_ = started.ok();
      if (!started.ok()) LOG(ERROR) << "next hops: " << started.message();
    }
  }
  resolver_.SetDestinations(destinations);
}

// As a kernel interface, for probes through the tunnel.
ResolvedNextHop Controller::Impl::NextHopOf(const IpAddress& backend) const {
  if (const v1::Port* port = StaticGatewayPort(config_)) {
    const channel::Welcome& welcome = session_.welcome();
    return OnKernelInterface(StaticNextHop(*port, backend),
                             absl::MakeConstSpan(welcome.ports, welcome.port_count));
  }
  const auto found = resolver_.next_hops().find(backend);
  return found == resolver_.next_hops().end() ? ResolvedNextHop{} : found->second;
}

bool Controller::Impl::UpdateSettling() {
  return settling_.Update(
      [this](const std::string& key) { return HealthOf(key) != HealthState::kUnknown; },
      loop_->Now());
}

bool Controller::Impl::AwaitsNextHops() {
  next_hops_known_ = next_hops_known_ || StaticGatewayPort(config_) != nullptr ||
                     loop_->Now() >= next_hop_deadline_ ||
                     (resolver_started_ && !resolver_.AnyBeingResolved());
  return !next_hops_known_;
}

void Controller::Impl::OnHealth(const std::string& key) {
  const HealthStateMachine* health = prober_.Find(key);
  LOG(INFO) << "backend " << key << " is "
            << (health->state() == HealthState::kHealthy ? "healthy" : "unhealthy") << ": "
            << health->reason();
  events_.OnHealth(key, *health);
  const auto found = pool_of_key_.find(key);
  if (found == pool_of_key_.end()) return;
  const std::string& pool = found->second;
  // While its pool settles, a backend's health changes no table.
  if (!settling_.OnVerdict(pool, key) && settling_.IsSettling(pool)) return;
  health_changed_.Add(pool);
  update_latency_.Changed(pool, loop_->Now());
  RecompileSoon(/*health_only=*/true);
}

void Controller::Impl::OnDataplane() {
  events_.OnDataplane(true, "");
  Recompile().IgnoreError();
}

// All that happens in one turn of the event loop is one recompilation, right after it.
void Controller::Impl::RecompileSoon(bool health_only) {
  all_changed_ = all_changed_ || !health_only;
  if (recompile_posted_) return;
  recompile_posted_ = true;
  loop_->Post([this, alive = alive_] {
    if (!*alive) return;
    recompile_posted_ = false;
    if (all_changed_ || !health_changed_.empty()) Recompile(/*health_only=*/true).IgnoreError();
  });
}

// What the tables are made from, now.
CompilerInput Controller::Impl::MakeInput() const {
  const channel::Welcome& welcome = session_.welcome();
  CompilerInput input;
  input.config = &config_;
  input.health = [this](const std::string& key) { return HealthOf(key); };
  input.is_settling = [this](const std::string& pool) { return settling_.IsSettling(pool); };
  input.is_ejected = [this](const std::string& key) { return passive_.IsEjected(key); };
  input.next_hops = &resolver_.next_hops();
  input.ports = absl::MakeConstSpan(welcome.ports, welcome.port_count);
  input.now = absl::Now();
  input.steady_now = loop_->Now();
  return input;
}

absl::Status Controller::Impl::Compile() {
  const CompilerInput input = MakeInput();
  if (!all_changed_) return CompileHealth(input);
  GW_ASSIGN_OR_RETURN(compiled_, compiler_.Compile(input));
  // Before the tables go out: an index in use must never be forgotten.
  const absl::Status saved = registry_.Save(IndexFile());
  keep_problem_ = saved.ok() ? "" : absl::StrCat("backend indices not kept: ", saved.message());
  if (!saved.ok()) LOG(ERROR) << keep_problem_;
  SetDeadlineTimer();
  health_changed_.Clear();
  update_latency_.CompiledAll();
  all_changed_ = false;
  return absl::OkStatus();
}

// Some of the pools whose health has changed; the rest in a later turn of the event loop, so that
// no probe's answer waits long.
absl::Status Controller::Impl::CompileHealth(const CompilerInput& input) {
  const absl::Duration end = loop_->Now() + kCompileTurn;
  const absl::Duration step = compiled_.next_step;
  while (!health_changed_.empty() && loop_->Now() < end) {
    const v1::Pool& pool = config_.pools(pool_positions_.at(health_changed_.Take()));
    const absl::Status updated = compiler_.UpdateHealth(input, pool, &compiled_);
    all_changed_ = !updated.ok();
    GW_RETURN_IF_ERROR(updated);
    update_latency_.Compiled(pool.name());
  }
  if (compiled_.next_step < step) SetDeadlineTimer();
  if (!health_changed_.empty()) RecompileSoon(/*health_only=*/true);
  return absl::OkStatus();
}

absl::Status Controller::Impl::Recompile(bool health_only) {
  if (!has_config_) return absl::UnavailableError("no configuration yet");
  all_changed_ = all_changed_ || !health_only;
  const absl::Status compiled = Compile();
  if (!compiled.ok()) {
    LOG(ERROR) << "tables not built: " << compiled.message();
    return absl::FailedPreconditionError(compiled.message());
  }
  if (!session_.ready()) {
    update_latency_.Forget();
    return absl::UnavailableError(absl::StrCat("no data plane: ", session_.problem()));
  }
  // After a restart of the control plane the tables that the data plane has are better than a guess
  // made without any health or next hops: they stay until all pools have settled.
  if (session_.dataplane_has_foreign_tables() && (settling_.AnySettling() || AwaitsNextHops())) {
    session_.ClearWanted();
    return absl::UnavailableError("the first probes or next hop lookups are not over");
  }
  update_latency_.Sent(++last_ticket_);
  session_.SetWanted(std::make_shared<Tables>(compiled_.tables), last_ticket_);
  return absl::OkStatus();
}

void Controller::Impl::EndDrains() {
  if (absl::Now() < next_drain_end_) return;
  next_drain_end_ = ApplyDrainDeadlines(absl::Now(), &config_);
  SetProbes();
}

// For what happens by the passing of time alone: the end of settling, of lingering, of drains, and
// the steps of slow starts.
void Controller::Impl::SetDeadlineTimer() {
  loop_->Cancel(deadline_timer_);
  deadline_timer_ = 0;
  const absl::Duration settle = settling_.NextDeadline() - loop_->Now();
  const absl::Duration linger = registry_.NextExpiry(LingerTime(config_)) - absl::Now();
  const absl::Duration hops =
      AwaitsNextHops() ? next_hop_deadline_ - loop_->Now() : absl::InfiniteDuration();
  const absl::Duration step = compiled_.next_step - loop_->Now();
  absl::Duration drain = next_drain_end_ - absl::Now();
  if (drain != absl::InfiniteDuration()) drain = std::min(drain, kDrainCheck);
  const absl::Duration wait = std::min({settle, linger, hops, step, drain});
  if (wait == absl::InfiniteDuration()) return;
  // A clock that is set must not make this a busy loop.
  deadline_timer_ = loop_->After(std::max(wait, absl::Milliseconds(10)), [this] {
    deadline_timer_ = 0;
    EndDrains();
    UpdateSettling();
    Recompile().IgnoreError();
    SetDestinations();
  });
}

void Controller::Impl::KeepCountersFresh() {
  counters_timer_ = loop_->After(kCountersInterval, [this] {
    if (passive_.Return(loop_->Now())) RecompileSoon();
    if (session_.ready()) {
      session_.ReadCounters([this](const auto& counters) {
        if (!counters.ok()) return;
        counters_ = *counters;
        ObserveFlows();
      });
    }
    KeepCountersFresh();
  });
}

void Controller::Impl::ObserveFlows() {
  const PassiveHealth::Input input{
      .config = config_,
      .compiled = compiled_,
      .counters = *counters_,
      .health = [this](const std::string& key) { return HealthOf(key); },
      .is_settling = [this](const std::string& pool) { return settling_.IsSettling(pool); }};
  if (passive_.Observe(input, loop_->Now())) RecompileSoon();
}

void Controller::Impl::ReadStats(bool by_vip,
                                 std::function<void(absl::StatusOr<v1::GetStatsResponse>)> done) {
  session_.ReadCounters([this, by_vip, done = std::move(done)](const auto& counters) {
    if (!counters.ok()) {
      done(counters.status());
      return;
    }
    counters_ = *counters;
    static const auto* const no_vips = new std::map<std::string, uint32_t>;
    done(MakeStats(**counters, session_.welcome(), by_vip ? compiled_.vip_indices : *no_vips));
  });
}

void Controller::Impl::Explain(const FlowKey& flow, ExplainDone done) {
  session_.LookupFlow(flow, [this, flow, done = std::move(done)](const auto& lookup) {
    v1::GetStateResponse state;
    Report().FillState(&state);
    done(guideway::ExplainFlow(flow, {config_, compiled_, registry_, state}, lookup));
  });
}

StateReport Controller::Impl::Report() const {
  return StateReport{.config = config_,
                     .compiled = compiled_,
                     .prober = prober_,
                     .probe_statistics = probe_statistics_,
                     .settling = settling_,
                     .passive = passive_,
                     .session = session_,
                     .counters = counters_.get(),
                     .keep_problem = keep_problem_,
                     .probe_problem = probe_tunnel_.problem(),
                     .update_latency = update_latency_,
                     .now = loop_->Now(),
                     .config_epoch = config_epoch_};
}

Controller::Controller(EventLoop* loop, Options options)
    : impl_(std::make_unique<Impl>(loop, std::move(options))) {}
Controller::~Controller() = default;
absl::Status Controller::Start() { return impl_->Start(); }
void Controller::SetConfig(const v1::Config& config, CommitDone done) {
  impl_->SetConfig(config, std::move(done));
}
void Controller::set_on_event(std::function<void(v1::WatchEvent)> on_event) {
  impl_->events().set_sink(std::move(on_event));
}
void Controller::StopWaiting() { impl_->StopWaiting(); }
absl::StatusOr<PoolImpact> Controller::Compare(const v1::Config& before,
                                               const v1::Config& after) const {
  return impl_->Compare(before, after);
}
std::vector<std::string> Controller::BeyondCapacity(const v1::Config& config) const {
  return impl_->BeyondCapacity(config);
}
void Controller::FillState(v1::GetStateResponse* state) const { impl_->Report().FillState(state); }
void Controller::FillStatus(v1::GetStatusResponse* status) const {
  const StateReport report = impl_->Report();
  report.FillStatus(report.FindNotProbed(), status);
}
void Controller::ReadStats(std::function<void(absl::StatusOr<v1::GetStatsResponse>)> done) {
  impl_->ReadStats(/*by_vip=*/true, std::move(done));
}
void Controller::ReadTotals(std::function<void(absl::StatusOr<v1::GetStatsResponse>)> done) {
  impl_->ReadStats(/*by_vip=*/false, std::move(done));
}
bool Controller::FillStatePart(int count, StateCursor* cursor, v1::GetStateResponse* state) const {
  return impl_->Report().FillStatePart(count, cursor, state);
}
void Controller::FillStatusAfter(const StateCursor& cursor, v1::GetStatusResponse* status) const {
  impl_->Report().FillStatus(cursor.not_probed, status);
}
void Controller::FillObservations(Observations* observations) const {
  impl_->FillObservations(observations);
}
void Controller::ExplainFlow(const v1::ExplainFlowRequest& request, ExplainDone done) {
  const absl::StatusOr<FlowKey> flow = ParseFlow(request);
  flow.ok() ? impl_->Explain(*flow, std::move(done)) : done(flow.status());
}

}  // namespace guideway
