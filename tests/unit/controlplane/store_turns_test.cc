// The largest changes through the store, beside the real controller: its loop stays free.
#include <catch2/catch.hpp>
#include <future>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "controlplane/api_hooks.h"
#include "tests/unit/controlplane/large_controller.h"
#include "tests/unit/controlplane/large_store.h"
#include "tests/unit/controlplane/slow_disk.h"
#include "tests/unit/controlplane/test_directory.h"
#include "tests/unit/controlplane/turn_bound.h"

namespace guideway {
namespace {

#ifdef __SANITIZE_ADDRESS__  // which makes tables slowly
constexpr int kPools = 100;
#else
constexpr int kPools = 1000;
#endif
using Answer = absl::StatusOr<ConfigChanger::Result>;

struct Bench {
  Bench() {
    auto opened = ConfigStore::Open({.config_file = directory.Write("config.yaml", TestYaml()),
                                     .state_directory = directory.File("state"),
                                     .operations = &disk});
    REQUIRE(opened.ok());
    store = std::make_unique<StoreThread>(*std::move(opened), directory.File("audit.log"),
                                          LargeStoreHooks(&large));
    service = MakeServiceHooks(large.loop(), large.controller.get(), store.get());
    large.SetConfig(store->store()->config());
    REQUIRE(store->Start().ok());
  }
  ~Bench() {
    disk.GoOn();
    store->EndChanges(absl::InfiniteDuration());
  }

  std::future<Answer> Apply(v1::Config config) {
    auto promise = std::make_shared<std::promise<Answer>>();
    auto future = promise->get_future();
    service.change(
        {PeerIdentity::System(), "Apply"},
        [config = std::move(config)](ConfigStore* changing) {
          return changing->Replace(config, /*force=*/true, /*dry_run=*/false);
        },
        [promise](const Answer& answer) { promise->set_value(answer); });
    return future;
  }
  // Of the controller's loop, whatever the store does.
  void CheckTurns() {
    std::map<std::string, LoopMeter::Work> works;
    large.control()->On([&] { works = large.loop()->meter().ByWork(); });
    for (const auto& [name, work] : works) {
      INFO(name << ": longest turn " << absl::FormatDuration(work.longest)
                << ", its processor time " << absl::FormatDuration(work.longest_processor));
      CHECK(work.longest_processor < kTurnBound);
    }
  }

  TestDirectory directory;
  SlowDisk disk;
  LargeController large{{.pools = kPools, .backends_of_pool = 8}};
  std::unique_ptr<StoreThread> store;
  ServiceHooks service;
};

TEST_CASE("an apply of 8000 backends to a disk that hangs does not keep the controller's loop") {
  Bench bench;
  for (const uint32_t weight : {1u, 2u}) {
    bench.disk.Hang();
    v1::Config config = bench.large.MakeStoredConfig(weight);
    // That all probes are set anew in one turn is another matter.
    for (v1::Pool& pool : *config.mutable_pools()) pool.clear_probe();
    auto answer = bench.Apply(std::move(config));
    if (!bench.disk.AwaitSync()) FAIL(answer.get().status());
    // The loop serves whoever asks while the store waits: with what is so, and a status.
    int turns = 0;
    StateCursor cursor;
    v1::GetStateResponse state;
    bool all = false;
    for (; !all; ++turns) {
      REQUIRE(bench.service.run_on_loop(
          [&] { all = bench.service.fill_state_part(100, &cursor, &state); }));
    }
    v1::GetStatusResponse status;
    REQUIRE(bench.service.run_on_loop([&] { bench.store->FillStatus(&status); }));
    CHECK(status.config_version() == weight);
    bench.disk.GoOn();
    REQUIRE(answer.wait_for(std::chrono::seconds(60)) == std::future_status::ready);
    REQUIRE(answer.get().ok());
    REQUIRE(bench.large.AwaitInForce(absl::Seconds(120)));
    status.Clear();
    bench.store->FillStatus(&status);
    CHECK(status.config_version() == weight + 1);
    bench.CheckTurns();
  }
}

TEST_CASE("a dry run of a large table is compared beside the loop") {
  Bench bench;
  v1::Config before = WithoutPools(bench.large.MakeConfig());
  v1::Pool* pool = before.add_pools();
  pool->set_name("large");
  pool->set_table_size(1048573);
  for (int i = 0; i < 1000; ++i) {
    v1::Backend* backend = pool->add_backends();
    backend->set_name(absl::StrCat("b", i));
    backend->set_address(absl::StrCat("127.9.", i / 250, ".", i % 250 + 1));
  }
  FillDefaults(&before);
  v1::Config after = before;
  after.mutable_pools(0)->mutable_backends(0)->set_state(v1::DISABLED);
  const auto impact = bench.service.compare_pool(before, after);
  REQUIRE(impact.ok());
  CHECK(impact->losing_backends == std::vector<std::string>{"b0"});
  CHECK(impact->moved_slots > 0);
  bench.CheckTurns();
}

}  // namespace
}  // namespace guideway
