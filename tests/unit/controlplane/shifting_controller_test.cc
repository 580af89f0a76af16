// Shifting traffic as the data plane sees it: ends of drains, backups, slow start, by time alone.
#include <stdlib.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "controlplane/controller.h"
#include "lib/config/defaults.h"
#include "lib/config/formats.h"
#include "tests/unit/controlplane/fake_dataplane.h"
#include "tests/unit/controlplane/local_server.h"
#include "tests/unit/controlplane/loop_thread.h"
#include "tests/unit/controlplane/web_config.h"

namespace guideway {
namespace {

// Backends 127.0.0.1 .. 127.0.0.3 behind a static gateway, without probes.
class Bench {
 public:
  Bench() {
    REQUIRE(mkdtemp(directory_) != nullptr);
    config = WebConfig(1009);
    v1::Pool* pool = config.mutable_pools(0);
    for (int i = 0; i < 3; ++i) {
      v1::Backend* backend = pool->add_backends();
      backend->set_name(absl::StrCat("web-", i));
      backend->set_address(absl::StrCat("127.0.0.", i + 1));
    }
    FillDefaults(&config);
    const std::string socket = absl::StrCat(directory_, "/dataplane.sock");
    thread.On([&] {
      dataplane = std::make_unique<FakeDataplane>(
          thread.loop(), socket, channel::Capacities{.arena_slot_bytes = 1009 * 4});
    });
  }
  ~Bench() {
    thread.On([&] {
      controller.reset();
      dataplane.reset();
      servers.clear();
    });
    std::filesystem::remove_all(directory_);
  }
  v1::Backend* backend(int i) { return config.mutable_pools(0)->mutable_backends(i); }
  void StartController() {
    thread.On([&] {
      controller.reset();
      controller = std::make_unique<Controller>(
          thread.loop(),
          Controller::Options{absl::StrCat(directory_, "/dataplane.sock"), directory_});
      REQUIRE(controller->Start().ToString() == "OK");
      controller->SetConfig(config);
    });
  }
  void SetConfig() {
    thread.On([&] { controller->SetConfig(config); });
  }
  v1::BackendState State(int i) const {  // loop thread
    v1::GetStateResponse state;
    controller->FillState(&state);
    return state.pools(0).backends(i);
  }
  // That these backends own slots in the data plane, and no others.
  bool AwaitOwners(const std::set<uint16_t>& wanted) {
    return thread.Await([&] { return Owners() == wanted; });
  }
  std::set<uint16_t> Owners() const {  // loop thread
    std::set<uint16_t> owners;
    if (dataplane->generation() == 0) return owners;
    for (const auto& slot : dataplane->Slots(0)) owners.insert(slot.current);
    return owners;
  }
  bool KeepsFlows(uint32_t index) const {  // loop thread
    return dataplane->tables().backends.at(index).body.keeps_known_flows != 0;
  }

  LoopThread thread;
  v1::Config config;
  std::vector<std::unique_ptr<LocalServer>> servers;  // before the controller's end
  std::unique_ptr<FakeDataplane> dataplane;
  std::unique_ptr<Controller> controller;

 private:
  char directory_[40] = "/tmp/guideway_shifting_XXXXXX";
};

TEST_CASE("a drain ends at its time: the backend is disabled, over a restart, too") {
  Bench bench;
  const bool restart = GENERATE(false, true);
  const absl::Duration time = absl::Milliseconds(restart ? 1000 : 1500);
  bench.backend(1)->set_state(v1::DRAINED);
  bench.backend(1)->set_disable_at(TimeText(absl::Now() + time));
  bench.StartController();
  REQUIRE(bench.AwaitOwners({0, 2}));
  bench.thread.On([&] {
    CHECK(bench.KeepsFlows(1));
    CHECK(bench.State(1).backend().state() == v1::DRAINED);
    CHECK(bench.State(1).health_reason() ==
          absl::StrCat("disabled from ", bench.backend(1)->disable_at(), " on"));
  });
  if (restart) {
    bench.thread.On([&] { bench.controller.reset(); });
    const absl::Time end = *ParseTime(bench.backend(1)->disable_at());
    REQUIRE(bench.thread.Await([end] { return absl::Now() > end; }));
    bench.thread.On([&] { CHECK(bench.KeepsFlows(1)); });  // nobody was there to end it
    bench.StartController();
  }
  REQUIRE(bench.thread.Await([&] { return !bench.KeepsFlows(1); }));
  bench.thread.On([&] {
    CHECK(absl::Now() >= *ParseTime(bench.backend(1)->disable_at()));
    CHECK(bench.State(1).backend().state() == v1::DISABLED);
    CHECK(bench.State(1).health_reason() ==
          absl::StrCat("disabled since ", bench.backend(1)->disable_at()));
  });
  CHECK(bench.AwaitOwners({0, 2}));
}

TEST_CASE("backups take over when the others die, and wait when they are back") {
  Bench bench;
  uint16_t port = 0;
  const auto start_server = [&](int i) {
    bench.servers[i] = std::make_unique<LocalServer>(bench.thread.loop(), std::nullopt,
                                                     absl::StrCat("127.0.0.", i + 1), port);
    port = bench.servers[i]->port();
  };
  bench.thread.On([&] {
    bench.servers.resize(3);
    for (int i = 0; i < 3; ++i) start_server(i);
  });
  v1::Probe* probe = bench.config.mutable_pools(0)->mutable_probe();
  probe->set_type(v1::TCP_CONNECT);
  probe->set_port(port);
  probe->mutable_interval()->set_nanos(100'000'000);
  probe->mutable_timeout()->set_nanos(100'000'000);
  bench.backend(2)->set_backup(true);
  FillDefaults(&bench.config);
  bench.StartController();
  REQUIRE(bench.AwaitOwners({0, 1}));
  REQUIRE(bench.thread.Await(
      [&] { return bench.State(2).health_reason() == "connected; backup: waits"; }));
  bench.thread.On([&] { bench.servers[0].reset(); });
  REQUIRE(bench.AwaitOwners({1}));
  REQUIRE(bench.thread.Await([&] { return !bench.KeepsFlows(0); }));  // it has failed alone
  bench.thread.On([&] { bench.servers[1].reset(); });
  REQUIRE(bench.AwaitOwners({2}));
  bench.thread.On([&] {
    CHECK(bench.State(2).health_reason() ==
          "connected; backup: in use, no other backend is healthy");
    CHECK(bench.State(2).share() == 1);
    v1::GetStateResponse state;
    bench.controller->FillState(&state);
    CHECK(state.pools(0).backups_serve());
  });
  // Now all are down: nobody can tell, so the one that served last goes on to.
  bench.thread.On([&] { bench.servers[2].reset(); });
  REQUIRE(bench.thread.Await([&] { return bench.State(2).ejection_held(); }));
  CHECK(bench.AwaitOwners({2}));
  bench.thread.On([&] { start_server(1); });
  REQUIRE(bench.AwaitOwners({1}));
  bench.thread.On([&] { CHECK(bench.State(1).health_reason() == "connected"); });
}

TEST_CASE("slow start goes on by time alone, in eleven tables at most") {
  Bench bench;
  bench.config.mutable_pools(0)->mutable_slow_start()->set_seconds(1);
  bench.backend(1)->set_state(v1::DISABLED);
  bench.StartController();
  REQUIRE(bench.AwaitOwners({0, 2}));
  uint64_t before = 0;
  bench.thread.On([&] { before = bench.dataplane->generation(); });
  bench.backend(1)->set_state(v1::ENABLED);
  bench.SetConfig();
  double share = 0;
  bool grew = true;
  REQUIRE(bench.thread.Await([&] {
    const v1::BackendState state = bench.State(1);
    grew = grew && state.share() >= share;
    share = state.share();
    return state.health_reason().empty() && share > 0.3;
  }));
  CHECK(grew);
  bench.thread.On([&] {
    CHECK(bench.State(1).share() == Approx(1.0 / 3).margin(0.01));
    CHECK(bench.dataplane->generation() - before <= 12);
    CHECK(bench.dataplane->generation() - before >= 4);  // a busy machine may miss some steps
  });
}

}  // namespace
}  // namespace guideway
