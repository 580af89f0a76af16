// The controller's reading of the data plane's counters, and what follows from them.
#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "controlplane/controller_impl.h"

namespace guideway {
namespace {

// How old the traffic figures in FillState() may be.
constexpr absl::Duration kCountersInterval = absl::Seconds(1);

}  // namespace

void Controller::Impl::KeepCountersFresh() {
  counters_timer_ = loop_->After(kCountersInterval, [this] {
    for (const std::string& pool : guards_.TakeChanged(loop_->Now())) {
      tables_.HealthChanged(pool, loop_->Now());
      if (lingering_.HasPool(pool)) tables_.AllChanged();
      verdict_keeper_.Changed();
      UpdateSoon();
    }
    if (passive_.Return(loop_->Now())) RecompileSoon();
    tables_.WatchFiles();
    DoubtUnprobed();
    if (session_.ready()) {
      session_.ReadCounters([this](const auto& counters) {
        if (!counters.ok()) return;
        SetCounters(*counters);
        ObserveFlows();
      });
    }
    KeepCountersFresh();
  });
}

// Answers come in order: what is in force now was so when the data plane counted.
void Controller::Impl::SetCounters(std::shared_ptr<const channel::CountersRegion> counters) {
  counters_ = std::move(counters);
  counted_tables_ = session_.in_force();
}

void Controller::Impl::ObserveFlows() {
  ObserveLingering();
  const PassiveHealth::Input input{
      .config = *config_,
      .compiled = tables_.compiled(),
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
    SetCounters(*counters);
    done(MakeStats(**counters, session_.welcome(),
                   by_vip ? Report().CountedVips() : std::map<std::string, uint32_t>()));
  });
}

void Controller::Impl::Explain(const FlowKey& flow, ExplainDone done) {
  session_.LookupFlow(flow, [this, flow, done = std::move(done)](const auto& lookup) {
    const StateReport report = Report();
    const ExplainInput input{
        .config = *config_,
        .compiled = tables_.compiled(),
        .registry = tables_.registry(),
        .fill_vip = [&](const auto& vip, auto* state) { report.FillVipNamed(vip, state); },
        .fill_backend = [&](const auto& pool, const auto& backend,
                            auto* state) { report.FillBackendNamed(pool, backend, state); }};
    done(guideway::ExplainFlow(flow, input, lookup));
  });
}

std::optional<uint64_t> Controller::Impl::FlowsOf(const std::string& key) const {
  const auto found = tables_.compiled().backends.find(key);
  if (counters_ == nullptr || !session_.ready() || found == tables_.compiled().backends.end()) {
    return std::nullopt;
  }
  return counters_->backend_flows[found->second.index].active_flows;
}

void Controller::Impl::AddFacts(const v1::Pool& pool, int first, int count,
                                PoolFacts* facts) const {
  const channel::Welcome& welcome = session_.welcome();
  facts->ports.assign(welcome.ports, welcome.ports + welcome.port_count);
  facts->steady_now = loop_->Now();
  const int end = std::min(pool.backends_size(), first + count);
  for (int i = first; i < end; ++i) {
    const v1::Backend& backend = pool.backends(i);
    const std::string key = BackendKey(pool.name(), backend.name(), backend.address());
    facts->backends[key] = {HealthForTables(key), passive_.IsEjected(key), guards_.KeepsFlows(key),
                            FlowsOf(key)};
    const auto address = IpAddress::Parse(backend.address());
    if (!address.ok()) continue;
    const auto hop = resolver_.next_hops().find(*address);
    if (hop != resolver_.next_hops().end()) facts->next_hops.insert(*hop);
  }
}

}  // namespace guideway
