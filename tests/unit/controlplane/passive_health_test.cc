// Ejection from end to end in the control plane: counters of a data plane in, tables and API out.
#include "controlplane/passive_health.h"

#include <stdlib.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "controlplane/controller.h"
#include "lib/config/defaults.h"
#include "tests/unit/controlplane/fake_dataplane.h"
#include "tests/unit/controlplane/loop_thread.h"
#include "tests/unit/controlplane/web_config.h"

namespace guideway {
namespace {

constexpr uint32_t kSlots = 1009;

// Three backends without probes behind a static gateway.
class Bench {
 public:
  Bench() {
    REQUIRE(mkdtemp(directory_) != nullptr);
    config = WebConfig(kSlots);
    v1::Pool* pool = config.mutable_pools(0);
    pool->mutable_outlier_detection()->mutable_window()->set_seconds(2);
    pool->mutable_outlier_detection()->mutable_base_ejection_time()->set_seconds(3);
    for (int i = 0; i < 3; ++i) {
      v1::Backend* backend = pool->add_backends();
      backend->set_name(absl::StrCat("web-", i));
      backend->set_address(absl::StrCat("10.0.0.", i + 1));
    }
    FillDefaults(&config);
    thread.On([&] {
      const std::string socket = absl::StrCat(directory_, "/dataplane.sock");
      dataplane = std::make_unique<FakeDataplane>(
          thread.loop(), socket, channel::Capacities{.arena_slot_bytes = kSlots * 4});
      controller =
          std::make_unique<Controller>(thread.loop(), Controller::Options{socket, directory_});
      REQUIRE(controller->Start().ToString() == "OK");
      controller->SetConfig(config);
    });
  }
  ~Bench() {
    thread.On([&] {
      controller.reset();
      dataplane.reset();
    });
    std::filesystem::remove_all(directory_);
  }
  v1::BackendState State(int i) const {  // loop thread
    v1::GetStateResponse state;
    controller->FillState(&state);
    return state.pools(0).backends(i);
  }
  // Which backends have slots in the data plane.
  bool AwaitSlots(const std::vector<uint16_t>& wanted) {
    return thread.Await([&] {
      if (dataplane->generation() == 0) return false;
      std::vector<uint16_t> owners;
      for (const channel::MaglevSlot& slot : dataplane->Slots(0)) owners.push_back(slot.current);
      std::sort(owners.begin(), owners.end());
      owners.erase(std::unique(owners.begin(), owners.end()), owners.end());
      return owners == wanted;
    });
  }

  LoopThread thread;
  v1::Config config;
  std::unique_ptr<FakeDataplane> dataplane;
  std::unique_ptr<Controller> controller;

 private:
  char directory_[40] = "/tmp/guideway_passive_XXXXXX";
};

TEST_CASE("a backend whose clients send their SYNs again is ejected, says why, and returns") {
  Bench bench;
  REQUIRE(bench.AwaitSlots({0, 1, 2}));
  REQUIRE(bench.thread.Await([&] {
    for (int i = 0; i < 3; ++i) bench.dataplane->backends[i].new_flows += 100;
    channel::BackendFlowValues& flows = bench.dataplane->backend_flows[2];
    flows.counters[static_cast<size_t>(BackendCounter::syn_retransmissions)] += 100;
    flows.active_flows = 7;
    return bench.State(2).health() == v1::HEALTH_EJECTED;
  }));
  REQUIRE(bench.AwaitSlots({0, 1}));
  bench.thread.On([&] {
    const v1::BackendState state = bench.State(2);
    CHECK(absl::StartsWith(state.health_reason(), "ejected for "));
    CHECK(absl::StrContains(state.health_reason(),
                            "100 SYNs sent again per 100 new flows, the others have 0"));
    CHECK(state.ejections() == 1);
    CHECK(state.ejected_for_ms() <= 3000);
    CHECK(state.share() == 0);
    CHECK(state.flows().active_flows() == 7);
    CHECK(state.flows().syn_retransmissions() >= 100);
    CHECK(state.flows().client_resets() == 0);
    // Its flows stay.
    CHECK(bench.dataplane->tables().backends.at(2).body.keeps_known_flows == 1);
    for (int i = 0; i < 2; ++i) CHECK(bench.State(i).health() == v1::HEALTH_UNPROBED);
  });
  REQUIRE(bench.AwaitSlots({0, 1, 2}));
  REQUIRE(bench.thread.Await([&] { return bench.State(2).health() == v1::HEALTH_UNPROBED; }));
  bench.thread.On([&] { CHECK(bench.State(2).ejected_for_ms() == 0); });
}

TEST_CASE("a pool that does not want it any more has its backends back at once") {
  Bench bench;
  REQUIRE(bench.AwaitSlots({0, 1, 2}));
  REQUIRE(bench.thread.Await([&] {
    for (int i = 0; i < 3; ++i) bench.dataplane->backends[i].new_flows += 100;
    channel::BackendFlowValues& flows = bench.dataplane->backend_flows[0];
    flows.counters[static_cast<size_t>(BackendCounter::unanswered_flows)] += 90;
    return bench.State(0).health() == v1::HEALTH_EJECTED;
  }));
  bench.thread.On([&] {
    bench.config.mutable_pools(0)->clear_outlier_detection();
    bench.controller->SetConfig(bench.config);
    CHECK(bench.State(0).health() == v1::HEALTH_UNPROBED);
  });
  REQUIRE(bench.AwaitSlots({0, 1, 2}));
  bench.thread.On([&] { CHECK(bench.State(0).share() > 0.2); });
}

TEST_CASE("a pool's words become the detector's settings and the breaker's limits") {
  Bench bench;
  v1::Pool* pool = bench.config.mutable_pools(0);
  OutlierSettings settings = OutlierSettingsOf(*pool, bench.config);
  CHECK(settings.window == absl::Seconds(2));
  CHECK(settings.base_ejection_time == absl::Seconds(3));
  CHECK(settings.max_ejection_time == absl::Minutes(5));
  CHECK(settings.min_new_flows == 50);
  CHECK(settings.max_syn_retransmissions_percent == 30);
  CHECK(settings.max_client_resets_percent == 0);
  CHECK(settings.unanswered_after == absl::Seconds(46));
  bench.config.mutable_vips(0)->mutable_flow_timeouts()->mutable_half_open()->set_seconds(60);
  settings = OutlierSettingsOf(*pool, bench.config);
  CHECK(settings.unanswered_after == absl::Seconds(76));
  bench.config.mutable_vips(0)->set_pool("other");
  CHECK(OutlierSettingsOf(*pool, bench.config).unanswered_after == absl::Seconds(46));
  bench.config.mutable_vips(0)->set_pool("web");
  // And the breaker into the data plane's tables, at once and off again.
  pool->mutable_circuit_breaker()->set_max_flows(9);
  pool->mutable_circuit_breaker()->set_when_full(v1::FULL_DROP);
  bench.thread.On([&] { bench.controller->SetConfig(bench.config); });
  REQUIRE(bench.thread.Await([&] {
    return bench.dataplane->generation() > 0 &&
           bench.dataplane->tables().pools.at(0)->breaker().max_flows == 9;
  }));
  bench.thread.On([&] {
    const channel::Breaker& breaker = bench.dataplane->tables().pools.at(0)->breaker();
    CHECK(breaker.when_full == channel::WhenFull::kDrop);
    CHECK(breaker.max_new_flows_per_second == 0);
    pool->clear_circuit_breaker();
    bench.controller->SetConfig(bench.config);
  });
  REQUIRE(bench.thread.Await(
      [&] { return !bench.dataplane->tables().pools.at(0)->breaker().limits(); }));
}

// One pool of four, its counters and health by hand.
struct Pool {
  Pool() {
    v1::Pool* pool = config.add_pools();
    pool->set_name("web");
    pool->mutable_outlier_detection()->set_max_client_resets_percent(20);
    for (uint16_t i = 0; i < 4; ++i) {
      v1::Backend* backend = pool->add_backends();
      backend->set_name(absl::StrCat("web-", i));
      backend->set_address(absl::StrCat("10.0.0.", i + 1));
      compiled.backends[Key(i)].index = i;
    }
    FillDefaults(&config);
    Observe();
  }
  static std::string Key(int i) {
    return BackendKey("web", absl::StrCat("web-", i), absl::StrCat("10.0.0.", i + 1));
  }
  void Observe() {
    passive.SetConfig(config);
    passive.Observe({.config = config,
                     .compiled = compiled,
                     .counters = *counters,
                     .health = [this](const std::string& key) { return health[key]; },
                     .is_settling = [this](const std::string&) { return settling; }},
                    now);
  }
  // A window at whose end the first one's clients have done this to all of its 100 new flows.
  void BadWindow(BackendCounter sign) {
    for (int i = 0; i < 4; ++i) counters->backends[i].new_flows += 100;
    counters->backend_flows[0].counters[static_cast<size_t>(sign)] += 100;
    now += OutlierSettingsOf(config.pools(0), config).window;
    Observe();
  }
  const OutlierDetector::Ejection* First() const { return passive.Find(Key(0)); }

  v1::Config config;
  Compiled compiled;
  std::unique_ptr<channel::CountersRegion> counters = std::make_unique<channel::CountersRegion>();
  std::map<std::string, HealthState> health = {{Key(0), HealthState::kHealthy},
                                               {Key(1), HealthState::kHealthy},
                                               {Key(2), HealthState::kHealthy},
                                               {Key(3), HealthState::kHealthy}};
  bool settling = false;
  absl::Duration now = absl::Seconds(1000);
  PassiveHealth passive;
};

TEST_CASE("each of the data plane's counters is the sign of its name") {
  for (const auto& [counter, words] :
       {std::pair(BackendCounter::syn_retransmissions, "SYNs sent again"),
        std::pair(BackendCounter::unanswered_flows, "flows without a second packet"),
        std::pair(BackendCounter::client_resets, "resets by clients")}) {
    Pool pool;
    pool.BadWindow(counter);
    REQUIRE(pool.First() != nullptr);
    CHECK(absl::StrContains(pool.First()->reason, words));
  }
}

TEST_CASE("who is unhealthy or not known yet takes the place of one to be ejected") {
  for (const HealthState state : {HealthState::kUnhealthy, HealthState::kUnknown}) {
    Pool pool;
    pool.health[Pool::Key(3)] = state;
    pool.BadWindow(BackendCounter::syn_retransmissions);
    CHECK(pool.First() == nullptr);
  }
}

TEST_CASE("who gets no new flows is not judged") {
  Pool weightless, drained;
  weightless.config.mutable_pools(0)->mutable_backends(0)->set_weight(0);
  drained.config.mutable_pools(0)->mutable_backends(0)->set_state(v1::DRAINED);
  for (Pool* pool : {&weightless, &drained}) {
    pool->BadWindow(BackendCounter::syn_retransmissions);
    CHECK(pool->First() == nullptr);
  }
}

TEST_CASE("while a pool settles nobody is ejected") {
  Pool pool;
  pool.settling = true;
  pool.BadWindow(BackendCounter::syn_retransmissions);
  CHECK(pool.First() == nullptr);
  pool.settling = false;
  pool.BadWindow(BackendCounter::syn_retransmissions);
  CHECK(pool.First() != nullptr);
}

}  // namespace
}  // namespace guideway
