// Tables follow what changes: who gives up known flows, after a verdict alone.
#include "controlplane/table_keeper.h"

#include <catch2/catch.hpp>
#include <memory>

#include "tests/unit/controlplane/compiler_bench.h"
#include "tests/unit/controlplane/loop_thread.h"
#include "tests/unit/controlplane/test_directory.h"

namespace guideway {
namespace {

TEST_CASE("a verdict alone decides anew whether flows without a way are given up") {
  TestDirectory directory;
  LoopThread thread;
  Bench bench(2);
  std::unique_ptr<BackgroundThread> background;
  std::unique_ptr<TableKeeper> keeper;
  const auto keeps = [&](int i) {
    const Compiled& compiled = keeper->compiled();
    const uint32_t index = compiled.backends.at(Bench::Key(i)).index;
    return compiled.tables.backends.at(index).keeps_known_flows == 1;
  };
  const auto update = [&] {
    REQUIRE(thread.Await([&] {
      const auto updated = keeper->Update(
          bench.Input(), [](const v1::Pool&) {}, [] { return false; });
      return updated.ok() && *updated;
    }));
  };
  thread.On([&] {
    background = std::make_unique<BackgroundThread>(thread.loop());
    keeper = std::make_unique<TableKeeper>(directory.path(), background.get(), [] {});
    keeper->Load(bench.steady_now, false);
    keeper->ConfigChanged(std::make_shared<v1::Config>(bench.config));
  });
  bench.health[Bench::Key(2)] = HealthState::kUnhealthy;
  update();
  ResolvedNextHop& hop = bench.next_hops.at(*IpAddress::Parse(Bench::Address(1)));
  hop.problem = "eth1 is down";
  hop.pending = false;
  for (const int seconds : {0, 2, 20}) {
    bench.steady_now += absl::Seconds(seconds);
    thread.On([&] { keeper->AllChanged(); });
    update();
  }
  thread.On([&] { CHECK(keeps(1)); });  // nobody else could take them
  bench.health[Bench::Key(2)] = HealthState::kHealthy;
  for (const absl::Duration passed : {absl::ZeroDuration(), Reachability::kOutagePatience}) {
    bench.steady_now += passed;
    thread.On([&] { keeper->HealthChanged("web", bench.steady_now); });
    update();
  }
  thread.On([&] {
    CHECK_FALSE(keeps(1));
    keeper.reset();
    background.reset();
  });
}

}  // namespace
}  // namespace guideway
