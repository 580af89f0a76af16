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
#include "controlplane/commit_wait.h"
#include "controlplane/compiler/compiler.h"
#include "controlplane/compiler/egress.h"
#include "controlplane/health/prober.h"
#include "controlplane/health/settling.h"
#include "controlplane/health_guards.h"
#include "controlplane/probe_plan.h"
#include "controlplane/resolver/resolver.h"
#include "controlplane/session/session.h"
#include "controlplane/state_report.h"
#include "controlplane/tunnel/probe_tunnel.h"
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
        prober_(loop, [this](const std::string& key) { OnHealth(key); }),
        guards_(&prober_, options_.state_directory),
        resolver_(loop, [this] { RecompileSoon(); }),
        session_(loop, options_.dataplane_socket, [this] { Recompile().IgnoreError(); }),
        commit_(loop) {
    session_.set_on_outcome([this](uint64_t ticket, const absl::Status& outcome) {
      // Not within the session's own doings.
      loop_->Post([this, alive = alive_, ticket, outcome] {
        if (*alive) OnOutcome(ticket, outcome);
      });
    });
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
  void ReadStats(std::function<void(absl::StatusOr<v1::GetStatsResponse>)> done);
  StateReport Report() const;
  absl::Status ForceHealth(const v1::ForceHealthRequest& request, std::string* change);
  absl::Status PauseProbes(const v1::PauseProbesRequest& request, std::string* change);

 private:
  void OnOutcome(uint64_t ticket, const absl::Status& outcome);
  std::string IndexFile() const { return options_.state_directory + "/backend-indices"; }
  HealthState HealthOf(const std::string& key) const;
  ResolvedNextHop NextHopOf(const IpAddress& backend) const;
  void OnHealth(const std::string& key);
  void SetProbes();
  void SetDestinations();
  bool UpdateSettling();
  bool AwaitsNextHops();
  void RecompileSoon();
  // Why the tables are not on their way to the data plane; ok if they are.
  absl::Status Recompile();
  void SetDeadlineTimer();
  void KeepCountersFresh();

  EventLoop* loop_;
  const Options options_;
  // Posted closures hold it: false once this object is gone.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  bool has_config_ = false;
  v1::Config config_;
  BackendRegistry registry_;
  Compiler compiler_;
  Settling settling_;
  ProbeTunnel probe_tunnel_;
  Prober prober_;
  HealthGuards guards_;
  std::map<std::string, std::string> pool_of_key_;
  Resolver resolver_;
  bool resolver_started_ = false;
  bool next_hops_known_ = false;  // once after the start, or not within kNextHopPatience
  absl::Duration next_hop_deadline_;
  Session session_;
  Compiled compiled_;
  std::shared_ptr<const channel::CountersRegion> counters_;
  std::string keep_problem_;  // of the backend indices; empty: none
  bool recompile_posted_ = false;
  uint64_t last_ticket_ = 0;  // of the tables given to the session last
  CommitWait commit_;
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
  guards_.Load();
  session_.Start();
  KeepCountersFresh();
  return absl::OkStatus();
}

HealthState Controller::Impl::HealthOf(const std::string& key) const {
  return guards_.HealthOf(key);
}

absl::Status Controller::Impl::ForceHealth(const v1::ForceHealthRequest& request,
                                           std::string* change) {
  const absl::Status forced = guards_.Force(config_, request, change);
  UpdateSettling();
  RecompileSoon();
  return forced;
}

absl::Status Controller::Impl::PauseProbes(const v1::PauseProbesRequest& request,
                                           std::string* change) {
  const absl::Status paused = guards_.Pause(config_, request, change);
  if (!change->empty()) SetProbes();
  return paused;
}

void Controller::Impl::SetConfig(const v1::Config& config, CommitDone done) {
  const uint64_t first_ticket = last_ticket_ + 1;
  if (!has_config_) next_hop_deadline_ = loop_->Now() + kNextHopPatience;
  config_ = config;
  has_config_ = true;
  SetProbes();
  // Next hops for all that is in the tables: also of those backends that begin to linger now.
  Recompile().IgnoreError();
  SetDestinations();
  const absl::Status sent = Recompile();
  commit_.Begin(std::move(done), first_ticket, last_ticket_, sent);
}

void Controller::Impl::OnOutcome(uint64_t ticket, const absl::Status& outcome) {
  if (outcome.ok()) retry_backoff_ = kFirstMemoryRetry;
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
      config_, [this](const TunnelTarget& target) { return probe_tunnel_.MakePath(target); },
      [this](const std::string& pool) { return guards_.IsPaused(pool); });
  pool_of_key_ = std::move(plan.pool_of_key);
  probe_tunnel_.SetInUse(plan.uses_tunnel);
  prober_.SetTargets(plan.targets);
  guards_.SetConfig(config_);
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
  const BackendHealth* health = prober_.Find(key);
  if (health == nullptr) return;
  LOG(INFO) << "backend " << key << " is "
            << (health->state() == HealthState::kHealthy ? "healthy" : "unhealthy") << ": "
            << health->reason();
  const auto pool = pool_of_key_.find(key);
  // While its pool settles, a backend's health changes no table.
  if (UpdateSettling() || pool == pool_of_key_.end() || !settling_.IsSettling(pool->second)) {
    RecompileSoon();
  }
}

// All that happens in one turn of the event loop is one recompilation, right after it.
void Controller::Impl::RecompileSoon() {
  if (recompile_posted_) return;
  recompile_posted_ = true;
  loop_->Post([this, alive = alive_] {
    if (!*alive) return;
    recompile_posted_ = false;
    Recompile().IgnoreError();
  });
}

absl::Status Controller::Impl::Recompile() {
  if (!has_config_) return absl::UnavailableError("no configuration yet");
  const channel::Welcome& welcome = session_.welcome();
  const auto is_settling = [this](const std::string& pool) { return settling_.IsSettling(pool); };
  guards_.Update(config_, is_settling, loop_->Now());
  CompilerInput input;
  input.config = &config_;
  input.health = [this](const std::string& key) { return HealthOf(key); };
  input.is_settling = is_settling;
  input.next_hops = &resolver_.next_hops();
  input.ports = absl::MakeConstSpan(welcome.ports, welcome.port_count);
  input.now = absl::Now();
  auto compiled = compiler_.Compile(input);
  if (!compiled.ok()) {
    LOG(ERROR) << "tables not built: " << compiled.status().message();
    return absl::FailedPreconditionError(compiled.status().message());
  }
  compiled_ = std::move(compiled).value();
  // Before the tables go out: an index in use must never be forgotten.
  const absl::Status saved = registry_.Save(IndexFile());
  keep_problem_ = saved.ok() ? "" : absl::StrCat("backend indices not kept: ", saved.message());
  if (!saved.ok()) LOG(ERROR) << keep_problem_;
  SetDeadlineTimer();
  if (!session_.ready()) {
    return absl::UnavailableError(absl::StrCat("no data plane: ", session_.problem()));
  }
  // After a restart of the control plane the tables that the data plane has are better than a guess
  // made without any health or next hops: they stay until all pools have settled.
  if (session_.dataplane_has_foreign_tables() && (settling_.AnySettling() || AwaitsNextHops())) {
    session_.ClearWanted();
    return absl::UnavailableError("the first probes or next hop lookups are not over");
  }
  session_.SetWanted(std::make_shared<Tables>(compiled_.tables), ++last_ticket_);
  return absl::OkStatus();
}

// For what happens by the passing of time alone: the end of settling, of lingering.
void Controller::Impl::SetDeadlineTimer() {
  loop_->Cancel(deadline_timer_);
  deadline_timer_ = 0;
  const absl::Duration settle = settling_.NextDeadline() - loop_->Now();
  const absl::Duration linger = registry_.NextExpiry(LingerTime(config_)) - absl::Now();
  const absl::Duration hops =
      AwaitsNextHops() ? next_hop_deadline_ - loop_->Now() : absl::InfiniteDuration();
  const absl::Duration guards = guards_.NextUpdate() - loop_->Now();
  const absl::Duration wait = std::min({settle, linger, hops, guards});
  if (wait == absl::InfiniteDuration()) return;
  // A clock that is set must not make this a busy loop.
  deadline_timer_ = loop_->After(std::max(wait, absl::Milliseconds(10)), [this] {
    deadline_timer_ = 0;
    UpdateSettling();
    Recompile().IgnoreError();
    SetDestinations();
  });
}

void Controller::Impl::KeepCountersFresh() {
  counters_timer_ = loop_->After(kCountersInterval, [this] {
    if (session_.ready()) {
      session_.ReadCounters([this](const auto& counters) {
        if (counters.ok()) counters_ = *counters;
      });
    }
    KeepCountersFresh();
  });
}

void Controller::Impl::ReadStats(std::function<void(absl::StatusOr<v1::GetStatsResponse>)> done) {
  session_.ReadCounters([this, done = std::move(done)](const auto& counters) {
    if (!counters.ok()) {
      done(counters.status());
      return;
    }
    counters_ = *counters;
    done(MakeStats(**counters, session_.welcome(), compiled_.vip_indices));
  });
}

StateReport Controller::Impl::Report() const {
  return StateReport{.config = config_,
                     .compiled = compiled_,
                     .prober = prober_,
                     .settling = settling_,
                     .guards = guards_,
                     .session = session_,
                     .counters = counters_.get(),
                     .keep_problem = keep_problem_,
                     .probe_problem = probe_tunnel_.problem(),
                     .now = loop_->Now()};
}

Controller::Controller(EventLoop* loop, Options options)
    : impl_(std::make_unique<Impl>(loop, std::move(options))) {}
Controller::~Controller() = default;
absl::Status Controller::Start() { return impl_->Start(); }
void Controller::SetConfig(const v1::Config& config, CommitDone done) {
  impl_->SetConfig(config, std::move(done));
}
void Controller::StopWaiting() { impl_->StopWaiting(); }
void Controller::FillState(v1::GetStateResponse* state) const { impl_->Report().FillState(state); }
void Controller::FillStatus(v1::GetStatusResponse* status) const {
  impl_->Report().FillStatus(status);
}
void Controller::ReadStats(std::function<void(absl::StatusOr<v1::GetStatsResponse>)> done) {
  impl_->ReadStats(std::move(done));
}
absl::Status Controller::ForceHealth(const v1::ForceHealthRequest& request, std::string* change) {
  return impl_->ForceHealth(request, change);
}
absl::Status Controller::PauseProbes(const v1::PauseProbesRequest& request, std::string* change) {
  return impl_->PauseProbes(request, change);
}

}  // namespace guideway
