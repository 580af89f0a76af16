// See test_api.h.
#include "tests/unit/controlplane/test_api.h"

#include <glog/logging.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "controlplane/cli/cli.h"

namespace guideway {

TestApi::TestApi(const std::string& yaml, ApiOptions options) : options_(std::move(options)) {
  socket_ = directory_.File("run/api.sock");
  directory_.Write("config.yaml", yaml);
  Start();
}

void TestApi::Start() {
  auto store = ConfigStore::Open(
      {.config_file = directory_.File("config.yaml"), .state_directory = directory_.File("state")});
  CHECK(store.ok()) << store.status();
  store_ = *std::move(store);
  store_->SetCapacityCheck([this](const v1::Config&) { return beyond_capacity; });
  auto server = ApiServer::Start(socket_, store_.get(), Hooks(), options_);
  CHECK(server.ok()) << server.status();
  server_ = *std::move(server);
}

void TestApi::Stop() {
  server_.reset();
  store_.reset();
}

void TestApi::Restart() {
  Stop();
  Start();
}

void TestApi::FillState(v1::GetStateResponse* state) {
  for (const v1::Pool& pool : store_->config().pools()) {
    v1::PoolState* out = state->add_pools();
    *out->mutable_pool() = pool;
    out->mutable_pool()->clear_backends();
    out->set_table_digest("0123456789abcdef");
    out->set_failed_open(failed_open);
    for (const v1::Backend& backend : pool.backends()) {
      v1::BackendState* b = out->add_backends();
      *b->mutable_backend() = backend;
      const bool sick = all_unhealthy || (web_1_unhealthy && backend.name() == "web-1");
      b->set_health(!pool.has_probe() ? v1::HEALTH_UNPROBED
                    : sick            ? v1::HEALTH_UNHEALTHY
                                      : v1::HEALTH_HEALTHY);
      b->set_health_reason(sick ? "connect: Connection refused" : "connect: ok");
      b->set_health_age_ms(130'000);
      b->set_share(share);
      b->set_unreachable(web_1_unreachable && backend.name() == "web-1");
      b->set_next_hop(b->unreachable() ? "no route" : "eth1 02:00:00:00:00:01");
      const auto factor = static_cast<uint64_t>(backend.name().back() - '0');
      b->mutable_traffic()->set_packets(7 + readings_ * packets_a_reading * factor);
      b->mutable_flows()->set_active_flows(5);
      b->mutable_flows()->set_syn_retransmissions(11);
      if (backend.name() != "web-1") continue;
      if (web_1_deadline_passed) b->mutable_backend()->set_state(v1::DISABLED);
      if (web_1_flows.empty()) b->clear_flows();
      if (web_1_flows.empty()) continue;
      b->mutable_flows()->set_active_flows(web_1_flows.front());
      if (web_1_flows.size() > 1) web_1_flows.erase(web_1_flows.begin());
    }
  }
  for (const v1::Vip& vip : store_->config().vips()) {
    v1::VipState* out = state->add_vips();
    *out->mutable_vip() = vip;
    out->mutable_traffic()->set_packets(28 + readings_ * packets_a_reading);
  }
}

v1::ExplainFlowResponse TestApi::Explain(const v1::ExplainFlowRequest& request) {
  v1::ExplainFlowResponse flow;
  if (request.destination() != "192.0.2.1") return flow;
  v1::GetStateResponse state;
  FillState(&state);
  *flow.mutable_vip() = state.vips(0);
  flow.set_scheduler(v1::MAGLEV);
  flow.set_flow_hash("0123456789abcdef");
  flow.set_slot(17);
  flow.set_slot_count(65537);
  flow.mutable_current()->set_pool("web");
  *flow.mutable_current()->mutable_backend() = state.pools(0).backends(0);
  flow.mutable_owner()->set_pool("web");
  *flow.mutable_owner()->mutable_backend() = state.pools(0).backends(1);
  v1::FlowEntryState* entry = flow.add_entries();
  *entry->mutable_owner() = flow.owner();
  entry->set_worker(1);
  entry->set_state("established");
  entry->set_idle_ms(3000);
  entry->set_times_out_in_ms(3597000);
  entry->set_holds(true);
  flow.set_decided_by("the flow table of worker 1");
  v1::FlowDelivery* delivery = flow.mutable_delivery();
  delivery->set_encapsulation(v1::GUE);
  delivery->set_next_hop("eth1 02:00:00:00:00:01");
  delivery->set_outer_source("10.0.0.9");
  delivery->set_outer_source_port(51234);
  delivery->set_outer_destination("10.0.0.2");
  delivery->set_outer_destination_port(6080);
  flow.add_notes("a note");
  return flow;
}

ServiceHooks TestApi::Hooks() {
  ServiceHooks hooks;
  hooks.run_on_loop = [this](std::function<void()> work) {
    const std::lock_guard<std::mutex> guard(loop_);
    if (loop_runs) work();
    return loop_runs;
  };
  hooks.run_on_store = hooks.run_on_loop;
  changer_ = std::make_unique<ConfigChanger>(
      store_.get(),
      [this](const v1::Config&, const CommitDone& done) {
        ++configs_set_;
        done(std::exchange(commit_outcome, CommitOutcome{}));
      },
      &audit_);
  hooks.change = [this](ChangeOrigin origin, ConfigChanger::Edit edit, ConfigChanger::Done done) {
    const std::lock_guard<std::mutex> guard(loop_);
    changer_->Run(std::move(origin), std::move(edit), std::move(done));
  };
  hooks.fill_store_status = [this](v1::GetStatusResponse* status) {
    const std::lock_guard<std::mutex> guard(loop_);
    view_.Refresh(store_.get());
    view_.Fill(status);
  };
  hooks.compare_pool = [](const v1::Config& before, const v1::Config& after) {
    static const std::map<IpAddress, ResolvedNextHop> no_next_hops;
    CompilerInput input;
    input.health = [](const std::string&) { return HealthState::kHealthy; };
    input.is_settling = [](const std::string&) { return false; };
    input.next_hops = &no_next_hops;
    return ComparePool(input, before, after, nullptr);
  };
  hooks.fill_state_part = [this](int, StateCursor*, v1::GetStateResponse* state) {
    FillState(state);
    return true;
  };
  hooks.fill_status = [this](v1::GetStatusResponse* status) {
    if (in_status) in_status();
    status->set_dataplane_connected(connected);
    if (!connected) status->set_dataplane_problem("connect: No such file or directory");
    status->set_settling(settling);
    status->set_dataplane_generation(3);
    status->set_wanted_generation(3);
    status->set_workers(2);
    status->add_overrides("pool web: probes are paused");
  };
  hooks.force_health = [](const v1::ForceHealthRequest& request, std::string* change) {
    *change = absl::StrCat(request.pool(), " ", request.backend(), " ", request.force());
    return absl::OkStatus();
  };
  hooks.pause_probes = [](const v1::PauseProbesRequest& request, std::string* change) {
    if (request.pool() != "web") return absl::NotFoundError("there is no pool " + request.pool());
    *change = absl::StrCat(request.pool(), " ", request.paused());
    return absl::OkStatus();
  };
  hooks.on_order = [this](const ChangeOrigin& origin, const std::string& change,
                          const absl::Status& status) {
    orders.push_back(absl::StrCat(origin.who.ToString(), " ", origin.action, " ", change, " ",
                                  status.ToString()));
  };
  hooks.explain_flow = [this](const v1::ExplainFlowRequest& request, auto done) {
    done(Explain(request));
  };
  hooks.read_stats = [this](auto done) {
    ++readings_;
    if (stats_fail) {
      done(absl::UnavailableError("the data plane is not connected"));
      return;
    }
    v1::GetStatsResponse stats;
    const auto add = [](v1::NamedValue* value, const char* name, uint64_t count) {
      value->set_name(name);
      value->set_value(count);
    };
    add(stats.add_counters(), "received_packets", 18446744073709551615ULL);
    add(stats.add_counters(), "forwarded_packets", 18446744073709551610ULL);
    add(stats.add_counters(), "to_kernel_packets", 3);
    add(stats.add_drops(), "no_backend", 2);
    add(stats.add_drops(), "too_big", 0);
    stats.set_drop_total(2);
    stats.set_balanced(true);
    stats.add_ports()->set_name("eth0");
    done(stats);
  };
  return hooks;
}

TestApi::Result TestApi::Run(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"--socket", socket_});
  std::ostringstream out;
  std::ostringstream err;
  cli::Cli command_line(&out, &err);
  const int exit_code = command_line.Run(std::move(arguments));
  return {exit_code, out.str(), err.str()};
}

}  // namespace guideway
