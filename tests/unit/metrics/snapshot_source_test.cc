// Snapshots are taken in short turns, shared, begun anew when the configuration changes, and end.
#include "controlplane/metrics/snapshot_source.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "tests/unit/controlplane/loop_thread.h"

namespace guideway {
namespace {

constexpr int kBackends = 1000;

// A controller with one pool. All on the loop's thread.
struct FakeController {
  explicit FakeController(EventLoop* event_loop) : loop(event_loop) {}

  WatchHooks Hooks() {
    WatchHooks hooks;
    hooks.read_totals = [this](auto done) {
      ++taken;
      if (!answers) return;
      if (connected) {
        done(v1::GetStatsResponse());
      } else {
        done(absl::UnavailableError("no data plane"));
      }
    };
    hooks.fill_state_part = [this](int count, StateCursor* cursor, v1::GetStateResponse* state) {
      ++turns;
      if (turns == change_at_turn) ++epoch;
      if (cursor->config_epoch != epoch) {
        *cursor = StateCursor{.config_epoch = epoch};
        state->Clear();
        state->add_pools();
      }
      for (; cursor->backend < kBackends; ++cursor->backend) {
        if (count-- <= 0) return false;
        state->mutable_pools(0)->add_backends()->set_health_age_ms(epoch);
      }
      return true;
    };
    hooks.fill_status = [this](v1::GetStatusResponse* status) {
      status->set_config_version(epoch);
    };
    hooks.fill_observations = [](Observations*) {};
    return hooks;
  }

  EventLoop* loop;
  uint64_t epoch = 1;
  int taken = 0;
  int turns = 0;
  int change_at_turn = 0;
  bool connected = true;
  bool answers = true;
};

struct Bench {
  LoopThread thread;
  FakeController controller{thread.loop()};
  SnapshotSource source{thread.loop(), controller.Hooks()};
  ~Bench() {
    thread.On([this] { source.Stop(); });
  }
};

TEST_CASE("the loop has other turns while a large state is copied") {
  Bench bench;
  int others = 0;
  // Something else that the loop has to do in every turn.
  std::function<void()> other = [&] {
    ++others;
    if (bench.controller.turns < kBackends / SnapshotSource::kItemsPerTurn) {
      bench.thread.loop()->Post(other);
    }
  };
  bench.thread.On([&] { bench.thread.loop()->Post(other); });
  const auto snapshot = bench.source.Get();
  REQUIRE(snapshot != nullptr);
  CHECK(snapshot->has_stats);
  CHECK(snapshot->state->pools(0).backends_size() == kBackends);
  bench.thread.On([&] {
    CHECK(bench.controller.turns >= kBackends / SnapshotSource::kItemsPerTurn);
    CHECK(others >= kBackends / SnapshotSource::kItemsPerTurn);
  });
}

TEST_CASE("a configuration that changes in the middle is there whole") {
  Bench bench;
  bench.thread.On([&] { bench.controller.change_at_turn = 3; });
  const auto snapshot = bench.source.Get();
  REQUIRE(snapshot != nullptr);
  REQUIRE(snapshot->state->pools(0).backends_size() == kBackends);
  for (const auto& backend : snapshot->state->pools(0).backends()) {
    REQUIRE(backend.health_age_ms() == 2);
  }
}

TEST_CASE("one snapshot serves all who ask at about the same time") {
  Bench bench;
  std::atomic<int> served{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 8; ++i) {
    readers.emplace_back([&] {
      if (bench.source.Get() != nullptr) ++served;
    });
  }
  for (std::thread& reader : readers) reader.join();
  CHECK(served == 8);
  bench.thread.On([&] { CHECK(bench.controller.taken <= 2); });
}

TEST_CASE("without a data plane there is a snapshot, without stats") {
  Bench bench;
  bench.thread.On([&] { bench.controller.connected = false; });
  const auto snapshot = bench.source.Get();
  REQUIRE(snapshot != nullptr);
  CHECK_FALSE(snapshot->has_stats);
}

TEST_CASE("who waits is let go by Stop()") {
  Bench bench;
  bench.thread.On([&] { bench.controller.answers = false; });
  std::shared_ptr<const WatchSnapshot> got = std::make_shared<WatchSnapshot>();
  std::thread reader([&] { got = bench.source.Get(); });
  REQUIRE(bench.thread.Await([&] { return bench.controller.taken == 1; }));
  bench.thread.On([&] { bench.source.Stop(); });
  reader.join();
  CHECK(got == nullptr);
  CHECK(bench.source.Get() == nullptr);
}

}  // namespace
}  // namespace guideway
