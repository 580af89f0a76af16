// The controller as a whole: real probes to 127.0.0.x, the real channel and tables, restarts.
#include "controlplane/controller.h"

#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <iostream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/config/defaults.h"
#include "tests/unit/controlplane/controller_bench.h"
#include "tests/unit/controlplane/fake_dataplane.h"
#include "tests/unit/controlplane/local_server.h"
#include "tests/unit/controlplane/loop_thread.h"
#include "tests/unit/controlplane/web_config.h"

namespace guideway {
namespace {

TEST_CASE("a fresh start, a backend that dies and comes back, and what the API says of it") {
  Bench bench;
  REQUIRE(bench.AwaitSlots(true, true, true));
  for (int i = 0; i < 3; ++i) REQUIRE(bench.AwaitHealth(i, v1::HEALTH_HEALTHY));
  bench.thread.On([&] {
    CHECK(bench.State(1).share() == Approx(1.0 / 3).margin(0.01));
    CHECK(bench.State(1).next_hop() == "eth1 02:00:00:00:00:99");
    CHECK(bench.State(1).health_reason() == "connected");
    const auto status = bench.Status();
    CHECK(status.dataplane_connected());
    CHECK(status.dataplane_problem().empty());
    CHECK_FALSE(status.settling());
    CHECK(status.workers() == 2);
    REQUIRE(status.ports_size() == 1);
    CHECK(status.ports(0).mac() == "02:00:00:00:00:01");
    CHECK(status.dataplane_generation() == bench.dataplane->generation());
  });
  bench.StopServer(1);
  REQUIRE(bench.AwaitSlots(true, false, true));
  bench.thread.On([&] {
    CHECK(bench.State(1).health() == v1::HEALTH_UNHEALTHY);
    CHECK(bench.State(1).health_reason() == "connect: Connection refused");
    CHECK(bench.State(1).share() == 0);
    CHECK_FALSE(bench.HasProblem("common-failure"));
  });
  CHECK(bench.thread.Await(
      [&] { return bench.dataplane->tables().backends.at(1).body.keeps_known_flows == 0; }));
  bench.thread.On([&] { bench.StartServer(1); });
  REQUIRE(bench.AwaitSlots(true, true, true));
}

TEST_CASE("a pool that settles is told from those that have settled") {
  Bench bench;
  const auto settles = [&] {
    v1::GetStateResponse state;
    bench.controller->FillState(&state);
    std::vector<bool> pools;
    for (const v1::PoolState& pool : state.pools()) pools.push_back(pool.settling());
    return pools;
  };
  REQUIRE(bench.thread.Await([&] { return settles() == std::vector<bool>{false}; }));
  bench.thread.On([&] {
    v1::Config config = bench.config;
    v1::Pool* shop = config.add_pools();
    *shop = config.pools(0);
    shop->set_name("shop");
    shop->mutable_backends()->DeleteSubrange(1, 2);
    shop->mutable_backends(0)->set_address("127.0.0.77");
    v1::Vip* vip = config.add_vips();
    *vip = config.vips(0);
    vip->set_name("shop");
    vip->set_address("192.0.2.2");
    vip->set_pool("shop");
    bench.controller->SetConfig(config);
    CHECK(settles() == std::vector<bool>{false, true});
  });
  CHECK(bench.thread.Await([&] { return settles() == std::vector<bool>{false, false}; }));
}

TEST_CASE("restarting the control plane moves nothing, not even with a backend down") {
  Bench bench;
  REQUIRE(bench.AwaitSlots(true, true, true));
  bench.StopServer(2);
  REQUIRE(bench.AwaitSlots(true, true, false));
  std::vector<channel::MaglevSlot> before;
  uint16_t incarnation = 0;
  uint64_t generation = 0;
  bench.thread.On([&] {
    before = bench.dataplane->Slots(0);
    incarnation = bench.dataplane->tables().backends.at(0).body.incarnation;
    generation = bench.dataplane->generation();
  });
  bench.StartController();
  // Every set of tables that comes is the same as before; the first comes after settling.
  bool settled_first = false;
  REQUIRE(bench.thread.Await([&] {
    if (bench.dataplane->generation() == generation) return false;
    settled_first = !bench.Status().settling();
    return true;
  }));
  bench.thread.On([&] {
    CHECK(settled_first);
    CHECK(bench.State(2).health() == v1::HEALTH_UNHEALTHY);
    const auto after = bench.dataplane->Slots(0);
    for (uint32_t i = 0; i < kSlots; ++i) REQUIRE(after[i].current == before[i].current);
    CHECK(bench.dataplane->tables().backends.at(0).body.incarnation == incarnation);
  });
}

// The restart of a control plane whose backend is on a network namespace's eth1.
TEST_CASE("after a restart no tables go out before the kernel knows the next hops") {
  bool may = false;
  std::thread([&] { may = unshare(CLONE_NEWNET) == 0; }).join();
  if (!may) {
    std::cerr << "SKIPPED: needs CAP_SYS_ADMIN for a network namespace\n";
    return;
  }
  char directory[] = "/tmp/guideway_controller_XXXXXX";
  REQUIRE(mkdtemp(directory) != nullptr);
  const std::string socket = absl::StrCat(directory, "/dataplane.sock");
  const bool answers = GENERATE(true, false);
  CAPTURE(answers);
  LoopThread peer([] { unshare(CLONE_NEWNET); });
  LoopThread thread([] { unshare(CLONE_NEWNET); });
  const auto run = [](LoopThread* where, const std::string& command) {
    int result = -1;
    where->On([&] { result = system(command.c_str()); });
    INFO(command);
    REQUIRE(result == 0);
  };
  pid_t peer_id = 0;
  peer.On([&] { peer_id = gettid(); });
  run(&thread,
      absl::StrCat("ip link add eth1 type veth peer name b0 && ip link set b0 netns ", peer_id,
                   " && ip addr add 10.1.0.1/24 dev eth1 && ip link set eth1 up"));
  run(&peer, "ip addr add 10.1.0.2/24 dev b0 && ip link set b0 up");
  v1::Config config;
  config.set_flow_hash_secret("0123456789abcdef");
  v1::Pool* pool = config.add_pools();
  pool->set_name("web");
  pool->set_table_size(kSlots);
  v1::Backend* backend = pool->add_backends();
  backend->set_name("web-0");
  backend->set_address("10.1.0.2");
  FillDefaults(&config);
  std::unique_ptr<FakeDataplane> dataplane;
  std::unique_ptr<Controller> controller;
  const auto start = [&] {  // loop thread
    controller.reset();
    controller =
        std::make_unique<Controller>(thread.loop(), Controller::Options{socket, directory});
    REQUIRE(controller->Start().ToString() == "OK");
    controller->SetConfig(config);
  };
  const auto has_next_hop = [&] {  // loop thread
    return dataplane->generation() > 0 &&
           dataplane->tables().backends.at(0).body.next_hop != channel::kNoNextHop;
  };
  thread.On([&] {
    dataplane = std::make_unique<FakeDataplane>(
        thread.loop(), socket, channel::Capacities{.arena_slot_bytes = kSlots * 4});
    start();
  });
  REQUIRE(thread.Await(has_next_hop));
  if (!answers) run(&peer, "ip addr del 10.1.0.2/24 dev b0");
  uint64_t generation = 0;
  absl::Duration started;
  thread.On([&] {
    controller.reset();
    REQUIRE(system("ip neigh flush dev eth1") == 0);
    generation = dataplane->generation();
    started = thread.loop()->Now();
    start();
  });
  REQUIRE(thread.Await([&] { return dataplane->generation() != generation; }));
  thread.On([&] {
    CHECK(has_next_hop() == answers);
    if (!answers) CHECK(thread.loop()->Now() - started >= absl::Milliseconds(1900));
    controller.reset();
    dataplane.reset();
  });
  std::filesystem::remove_all(directory);
}

TEST_CASE("restarting the data plane alone: it has its tables again without anybody's help") {
  Bench bench;
  REQUIRE(bench.AwaitSlots(true, true, true));
  for (int i = 0; i < 3; ++i) REQUIRE(bench.AwaitHealth(i, v1::HEALTH_HEALTHY));
  std::vector<channel::MaglevSlot> before;
  bench.thread.On([&] { before = bench.dataplane->Slots(0); });
  bench.StartDataplane();
  REQUIRE(bench.AwaitSlots(true, true, true));
  bench.thread.On([&] {
    const auto after = bench.dataplane->Slots(0);
    for (uint32_t i = 0; i < kSlots; ++i) REQUIRE(after[i].current == before[i].current);
  });
}

TEST_CASE("a new configuration: drained, removed, added") {
  Bench bench;
  REQUIRE(bench.AwaitSlots(true, true, true));
  for (int i = 0; i < 3; ++i) REQUIRE(bench.AwaitHealth(i, v1::HEALTH_HEALTHY));
  bench.thread.On([&] {
    bench.config.mutable_pools(0)->mutable_backends(0)->set_state(v1::DRAINED);
    bench.controller->SetConfig(bench.config);
    CHECK(bench.State(1).health() == v1::HEALTH_HEALTHY);  // kept
  });
  REQUIRE(bench.AwaitSlots(false, true, true));
  bench.thread.On([&] {
    bench.config.mutable_pools(0)->mutable_backends()->DeleteSubrange(1, 1);
    bench.controller->SetConfig(bench.config);
  });
  REQUIRE(bench.AwaitSlots(false, false, true));
  bench.thread.On([&] {
    CHECK(bench.dataplane->tables().backends.at(1).exists);
    CHECK(bench.dataplane->tables().backends.at(1).body.keeps_known_flows == 1);
  });
}

TEST_CASE("what becomes of a configuration: in force, refused, no data plane") {
  Bench bench;
  REQUIRE(bench.AwaitSlots(true, true, true));
  for (int i = 0; i < 3; ++i) REQUIRE(bench.AwaitHealth(i, v1::HEALTH_HEALTHY));
  CommitOutcome outcome;
  bool called = false;
  const auto set = [&](v1::AdminState state) {
    called = false;
    bench.thread.On([&] {
      bench.config.mutable_pools(0)->mutable_backends(0)->set_state(state);
      bench.controller->SetConfig(bench.config, [&](const CommitOutcome& o) {
        outcome = o;
        called = true;
      });
    });
    return bench.thread.Await([&] { return called; });
  };
  REQUIRE(set(v1::DRAINED));
  CHECK(outcome.kind == CommitOutcome::kInForce);
  REQUIRE(bench.AwaitSlots(false, true, true));
  bench.thread.On([&] { bench.dataplane->refuse_commits = 1; });
  REQUIRE(set(v1::ENABLED));
  CHECK(outcome.kind == CommitOutcome::kRefused);
  CHECK(outcome.reason == "tables refused: kCommit refused: out of memory");
  REQUIRE(set(v1::DRAINED));  // what is in force anyway: nothing is sent, and all is well again
  CHECK(outcome.kind == CommitOutcome::kInForce);
  bench.thread.On([&] {
    CHECK(bench.Status().dataplane_problem().empty());
    CHECK(bench.Status().dataplane_generation() == bench.Status().wanted_generation());
    bench.dataplane->Pause();
  });
  REQUIRE(set(v1::ENABLED));  // no answer within 2 s
  CHECK(outcome.kind == CommitOutcome::kNotYet);
  bench.thread.On([&] { bench.dataplane.reset(); });
  REQUIRE(bench.thread.Await([&] { return !bench.Status().dataplane_connected(); }));
  REQUIRE(set(v1::DRAINED));
  CHECK(outcome.kind == CommitOutcome::kNotYet);
  CHECK(outcome.reason.find("no data plane: ") == 0);
}

TEST_CASE("a turn of health that is refused for lack of memory is tried again") {
  Bench bench;
  REQUIRE(bench.AwaitSlots(true, true, true));
  for (int i = 0; i < 3; ++i) REQUIRE(bench.AwaitHealth(i, v1::HEALTH_HEALTHY));
  bench.thread.On([&] { bench.dataplane->refuse_commits = 1; });
  bench.StopServer(1);
  REQUIRE(bench.AwaitSlots(true, false, true));
  bench.thread.On([&] { CHECK(bench.dataplane->refuse_commits == 0); });
}

TEST_CASE("time from a probe's verdict to tables in force", "[.][measure]") {
  Bench bench(65537);
  for (int i = 0; i < 3; ++i) REQUIRE(bench.AwaitHealth(i, v1::HEALTH_HEALTHY));
  REQUIRE(bench.AwaitSlots(true, true, true));
  bench.StopServer(1);
  REQUIRE(bench.AwaitSlots(true, false, true));
  bench.thread.On([&] {
    std::cout << "65537 slots, 3 backends: in force at most " << bench.State(1).health_age_ms()
              << " ms after the verdict\n";
  });
}

TEST_CASE("statistics: every counter and drop reason by name; an error without a data plane") {
  Bench bench;
  REQUIRE(bench.AwaitSlots(true, true, true));
  bench.thread.On([&] { bench.dataplane->received_packets = 5; });
  absl::StatusOr<v1::GetStatsResponse> stats = absl::UnknownError("not called");
  const auto read = [&] {
    stats = absl::UnknownError("not called");
    bench.thread.On([&] { bench.controller->ReadStats([&](auto s) { stats = std::move(s); }); });
    return bench.thread.Await([&] { return !absl::IsUnknown(stats.status()); });
  };
  REQUIRE(read());
  REQUIRE(stats.ok());
  CHECK(stats->counters_size() == static_cast<int>(kCounterCount));
  CHECK(stats->drops_size() == static_cast<int>(kDropReasonCount));
  CHECK(stats->counters(0).name() == "received_packets");
  CHECK(stats->counters(0).value() == 5);
  CHECK(stats->balanced());
  CHECK(stats->ports(0).name() == "eth1");
  bench.thread.On([&] { bench.dataplane.reset(); });
  REQUIRE(bench.thread.Await([&] { return !bench.Status().dataplane_connected(); }));
  REQUIRE(read());
  CHECK(absl::IsUnavailable(stats.status()));
  bench.thread.On([&] { CHECK_FALSE(bench.Status().dataplane_problem().empty()); });
}

}  // namespace
}  // namespace guideway
