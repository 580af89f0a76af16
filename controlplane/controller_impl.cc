// Wiring: configuration, probes, resolver -> tables -> session.
#include "controlplane/controller_impl.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controlplane/compiler/egress.h"
#include "controlplane/dataplane_problems.h"
#include "controlplane/state_file.h"
#include "glog/logging.h"
#include "lib/base/status.h"
#include "lib/config/schema.h"

namespace guideway {
namespace {

// How long tables in force wait after a start for the kernel to say where the next hops are.
constexpr absl::Duration kNextHopPatience = absl::Seconds(2);
// What was refused for lack of memory is tried again.
constexpr absl::Duration kFirstMemoryRetry = absl::Seconds(1);
constexpr absl::Duration kLongestMemoryRetry = absl::Seconds(60);

}  // namespace

Controller::Impl::Impl(EventLoop* loop, Options options)
    : loop_(loop),
      options_(std::move(options)),
      background_(loop),
      tables_(options_.state_directory, &background_, [this] { UpdateSoon(); }),
      probe_tunnel_(loop, {options_.probe_mark, options_.probe_table},
                    [this](const IpAddress& backend) { return NextHopOf(backend); }),
      prober_(
          loop, [this](const std::string& key) { OnHealth(key); },
          [this](const std::string& key, ProbeResult::Outcome outcome, absl::Duration took) {
            OnProbed(key, outcome, took);
          }),
      guards_(&prober_, options_.state_directory),
      verdict_keeper_(
          loop, options_.state_directory,
          [this](const std::string& after, size_t count, auto* verdicts) {
            return prober_.AppendVerdicts(after, count, verdicts);
          },
          [this](const std::string& after, size_t count, auto* holds) {
            return guards_.AppendHolds(loop_->Now(), after, count, holds);
          }),
      resolver_(loop, [this] { RecompileSoon(); }),
      session_(loop, options_.dataplane_socket, [this] { OnDataplane(); }),
      commit_(loop, [this] { return WhyLate(session_); }),
      retry_backoff_(kFirstMemoryRetry) {
  session_.set_on_outcome(
      [this](uint64_t ticket, const absl::Status& outcome, absl::Duration in_force_at) {
        // Not within the session's own doings.
        loop_->Post([this, alive = alive_, ticket, outcome, in_force_at] {
          if (*alive) OnOutcome(ticket, outcome, in_force_at);
        });
      });
  guards_.set_is_unreachable([this](const std::string& key) {
    const auto found = tables_.compiled().backends.find(key);
    return found != tables_.compiled().backends.end() && found->second.unreachable;
  });
  tables_.SetHooks([this] { SetDestinations(); }, [this] { return resolver_.looking_up(); });
  resolver_.set_on_looked_up([this] { UpdateSoon(); });
  session_.set_on_ports([this] { RecompileSoon(); });  // not within the session's own doings
  session_.set_on_lost([this] { events_.OnDataplane(false, session_.problem()); });
}
Controller::Impl::~Impl() {
  *alive_ = false;
  for (EventLoop::TimerId timer : {deadline_timer_, counters_timer_, retry_timer_}) {
    loop_->Cancel(timer);
  }
}

absl::Status Controller::Impl::Start() {
  GW_RETURN_IF_ERROR(background_.started());
  // Whatever is wrong with it: what is configured is served.
  const absl::Status made = MakeDirectories(options_.state_directory);
  if (!made.ok()) LOG(ERROR) << "state directory: " << made.message();
  tables_.Load(loop_->Now(), options_.indices_were_kept);
  guards_.Load();
  KeptHealth health = verdict_keeper_.Load();
  prober_.Remember(std::move(health.verdicts));
  guards_.RememberHolds(health.holds, loop_->Now());
  session_.Start();
  KeepCountersFresh();
  return absl::OkStatus();
}

absl::Status Controller::Impl::ForceHealth(const v1::ForceHealthRequest& request,
                                           std::string* change) {
  const absl::Status forced = guards_.Force(*config_, request, change);
  UpdateSettling();
  RecompileSoon();
  return forced;
}

absl::Status Controller::Impl::KeepOrders() {
  absl::Status kept = absl::UnavailableError("the control plane is stopping");
  std::string text;
  if (!loop_->Call([&] { text = guards_.OrdersText(); }, "api")) return kept;
  const absl::Status written = guards_.WriteOrders(text);
  loop_->Call([&] { kept = guards_.OrdersKept(written); }, "api");
  return kept;
}

absl::Status Controller::Impl::PauseProbes(const v1::PauseProbesRequest& request,
                                           std::string* change) {
  const absl::Status paused = guards_.Pause(*config_, request, change);
  if (!change->empty()) SetProbes();
  return paused;
}

void Controller::Impl::SetConfig(std::shared_ptr<v1::Config> config, CommitDone done) {
  if (!has_config_) next_hop_deadline_ = loop_->Now() + kNextHopPatience;
  std::shared_ptr<const v1::Config> before = std::exchange(config_, std::move(config));
  drains_.Apply(absl::Now(), loop_->Now(), config_.get());
  tables_.ConfigChanged(config_);
  unreachable_.BeginRound();
  ++config_epoch_;
  has_config_ = true;
  tables_are_made_ = false;
  passive_.SetConfig(*config_);
  SetProbes();
  commit_.Begin(WithWarnings(before, std::move(done)));
  background_.Dispose(std::move(before));
  Update();
}

void Controller::Impl::OnOutcome(uint64_t ticket, const absl::Status& outcome,
                                 absl::Duration in_force_at) {
  behind_since_ = loop_->Now();
  if (session_.generation() == session_.wanted_generation()) behind_since_.reset();
  if (outcome.ok()) {
    retry_backoff_ = kFirstMemoryRetry;
    tables_.latency()->InForce(ticket, in_force_at);
    events_.OnTables(session_.generation());
  }
  if (commit_.OnOutcome(ticket, outcome) || outcome.ok()) return;
  // Nobody's change but a turn of health or next hops; newer tables are a try of their own.
  if (!absl::IsResourceExhausted(outcome) || ticket != last_ticket_ || retry_timer_ != 0) return;
  retry_timer_ = loop_->After(retry_backoff_, [this] {
    retry_timer_ = 0;
    RecompileSoon();
  });
  retry_backoff_ = std::min(retry_backoff_ * 2, kLongestMemoryRetry);
}

void Controller::Impl::SetDestinations() {
  const bool from_kernel = StaticGatewayPort(*config_) == nullptr;
  const uint64_t membership = from_kernel ? tables_.registry().membership() : 0;
  if (from_kernel && !resolver_started_) {
    const absl::Status started = resolver_.Start();
    resolver_started_ = started.ok();
    if (!started.ok()) LOG(ERROR) << "next hops: " << started.message();
  }
  if (std::exchange(destinations_of_, membership) == membership) return;
  std::vector<IpAddress> destinations;
  if (from_kernel) {
    destinations.reserve(tables_.registry().records().size());
    for (const auto& [key, record] : tables_.registry().records())
      destinations.push_back(record.address);
  }
  resolver_.SetDestinations(std::move(destinations));
}

// As a kernel interface, for probes through the tunnel.
ResolvedNextHop Controller::Impl::NextHopOf(const IpAddress& backend) const {
  if (const v1::Port* port = StaticGatewayPort(*config_)) {
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
  next_hops_known_ = next_hops_known_ || StaticGatewayPort(*config_) != nullptr ||
                     loop_->Now() >= next_hop_deadline_ ||
                     (resolver_started_ && !resolver_.AnyBeingResolved());
  return !next_hops_known_;
}

void Controller::Impl::OnHealth(const std::string& key) {
  const BackendHealth* health = prober_.Find(key);
  if (health == nullptr) return;
  guards_.OnVerdict(key, loop_->Now());
  verdict_keeper_.Changed();
  const bool healthy = health->state() == HealthState::kHealthy;
  if (lingering_.Contains(key)) {
    LOG(INFO) << "removed backend " << key << " is " << (healthy ? "healthy" : "unhealthy") << ": "
              << health->reason();
    RecompileSoon();
    return;
  }
  const auto found = pool_of_key_.find(key);
  // That all is well after a start is no news.
  const bool settles = found != pool_of_key_.end() && settling_.IsSettling(found->second);
  LOG_IF(INFO, !healthy || !settles)
      << "backend " << key << " is " << (healthy ? "healthy" : "unhealthy") << ": "
      << health->reason();
  events_.OnHealth(key, health->state(), health->reason());
  if (found == pool_of_key_.end()) return;
  const std::string& pool = found->second;
  // While its pool settles, a backend's health changes no table.
  if (!settling_.OnVerdict(pool, key) && settling_.IsSettling(pool)) return;
  tables_.HealthChanged(pool, loop_->Now());
  UpdateSoon();
}

void Controller::Impl::OnDataplane() {
  behind_since_.reset();
  events_.OnDataplane(true, "");
  RecompileSoon();
}

// All that happens in one turn of the event loop is one update, right after it.
void Controller::Impl::UpdateSoon() {
  if (update_posted_) return;
  update_posted_ = true;
  loop_->Post(
      [this, alive = alive_] {
        if (!*alive) return;
        update_posted_ = false;
        if (tables_.changed()) Update();
      },
      "compile");
}

HealthState Controller::Impl::HealthForTables(const std::string& key) const {
  const auto found = pool_of_key_.find(key);
  const bool settles = found != pool_of_key_.end() && settling_.IsSettling(found->second);
  if (!settles || guards_.IsForced(key) || prober_.IsKeptUnhealthy(key)) return HealthOf(key);
  return HealthState::kHealthy;
}

// What the tables are made from, now.
CompilerInput Controller::Impl::MakeInput() const {
  const channel::Welcome& welcome = session_.welcome();
  CompilerInput input;
  input.config = config_.get();
  input.health = [this](const std::string& key) { return HealthForTables(key); };
  input.is_settling = [](const std::string&) { return false; };
  input.is_ejected = [this](const std::string& key) { return passive_.IsEjected(key); };
  input.keeps_flows = [this](const std::string& key) {
    return guards_.KeepsFlows(key) || lingering_.UnhealthyKeepsFlows(key);
  };
  input.next_hops = &resolver_.next_hops();
  input.ports = absl::MakeConstSpan(welcome.ports, welcome.port_count);
  input.steady_now = loop_->Now();
  return input;
}

void Controller::Impl::Update() {
  if (!has_config_ || probe_change_ != nullptr) return;
  const bool all = tables_.compiling_all();
  const absl::Duration step = tables_.compiled().next_step;
  const absl::Duration guards = guards_.NextUpdate();
  const absl::Duration end = loop_->Now() + EventLoop::kTurn;
  guards_.Update(loop_->Now());
  const auto on_compiled = [this, all](const v1::Pool& pool) {
    if (all) unreachable_.See(pool, tables_.compiled());
    if (!settling_.IsSettling(pool.name())) guards_.UpdateVips(pool);
  };
  const absl::StatusOr<bool> updated =
      tables_.Update(MakeInput(), on_compiled, [this, end] { return loop_->Now() >= end; });
  if (!updated.ok()) {
    LOG(ERROR) << "tables not built: " << updated.status().message();
    tables_are_made_ = true;
    commit_.Sent(last_ticket_, absl::FailedPreconditionError(updated.status().message()));
    return;
  }
  if (tables_.changed()) UpdateSoon();  // the rest, so that no probe's answer waits long
  if (!*updated) return;
  if (all || tables_.compiled().next_step != step || guards_.NextUpdate() != guards) {
    SetDeadlineTimer();
  }
  tables_are_made_ = true;
  if (all) unreachable_.EndRound();
  const absl::Status sent = Send();
  if (!all) return;
  commit_.Sent(last_ticket_, sent);
  if (lingering_.Retain(tables_.registry())) SetProbes();
}

absl::Status Controller::Impl::Send() {
  if (!session_.ready()) {
    tables_.latency()->Forget();
    return absl::UnavailableError(absl::StrCat("no data plane: ", session_.problem()));
  }
  // After a restart of the control plane the tables that the data plane has are better than a guess
  // made without any health or next hops: they stay until all pools have settled.
  const bool guessed = settling_.AnySettling() || AwaitsNextHops() || tables_.behind();
  if (session_.dataplane_has_foreign_tables() && guessed) {
    session_.ClearWanted();
    return absl::UnavailableError("the first probes or next hop lookups are not over");
  }
  tables_.latency()->Sent(++last_ticket_);
  // The last to let go of tables frees megabytes.
  std::shared_ptr<Tables> tables(new Tables(tables_.compiled().tables), [this](Tables* old) {
    background_.Dispose(std::unique_ptr<Tables>(old));
  });
  session_.SetWanted(std::move(tables), last_ticket_);
  if (!behind_since_.has_value()) behind_since_ = loop_->Now();
  return absl::OkStatus();
}

void Controller::Impl::EndDrains() {
  if (loop_->Now() < drains_.next()) return;
  if (drains_.Apply(absl::Now(), loop_->Now(), config_.get())) SetProbes();
}

// For what happens by the passing of time alone: the end of settling, of lingering, of drains, and
// the steps of slow starts.
void Controller::Impl::SetDeadlineTimer() {
  loop_->Cancel(deadline_timer_);
  deadline_timer_ = 0;
  const absl::Duration settle = settling_.NextDeadline() - loop_->Now();
  const absl::Duration linger = tables_.registry().NextExpiry(LingerLimit(*config_)) - loop_->Now();
  const absl::Duration hops =
      AwaitsNextHops() ? next_hop_deadline_ - loop_->Now() : absl::InfiniteDuration();
  const absl::Duration step = tables_.compiled().next_step - loop_->Now();
  const absl::Duration drain = drains_.next() - loop_->Now();
  const absl::Duration guards = guards_.NextUpdate() - loop_->Now();
  const absl::Duration wait = std::min({settle, linger, hops, step, drain, guards});
  if (wait == absl::InfiniteDuration()) return;
  // A clock that is set must not make this a busy loop.
  deadline_timer_ = loop_->After(std::max(wait, absl::Milliseconds(10)), [this] {
    deadline_timer_ = 0;
    EndDrains();
    UpdateSettling();
    RecompileSoon();
  });
}

StateReport Controller::Impl::Report() const {
  return StateReport{.config = *config_,
                     .compiled = tables_.compiled(),
                     .prober = prober_,
                     .probe_statistics = probe_statistics_,
                     .settling = settling_,
                     .passive = passive_,
                     .guards = guards_,
                     .session = session_,
                     .counters = counters_.get(),
                     .counted_tables = counted_tables_.get(),
                     .keep_problem = tables_.problem(),
                     .index_damage = tables_.damage(),
                     .probes_are_set_anew = probe_change_ != nullptr,
                     .probe_problem = probe_tunnel_.problem(),
                     .update_latency = tables_.latency(),
                     .behind_since = behind_since_,
                     .now = loop_->Now(),
                     .config_epoch = config_epoch_};
}

}  // namespace guideway
