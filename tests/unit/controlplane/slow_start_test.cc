// Slow start: steps by a simulated clock, and what they do to a pool's slots.
#include "controlplane/compiler/slow_start.h"

#include <catch2/catch.hpp>
#include <iostream>
#include <utility>

#include "tests/unit/controlplane/compiler_bench.h"

namespace guideway {
namespace {

using Weights = std::vector<uint32_t>;

// Backends 0, 1, ... with these weights, 0: does not take flows.
std::vector<MaglevBackend> Takers(const Weights& weights) {
  std::vector<MaglevBackend> takers;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] == 0) continue;
    takers.push_back({absl::StrCat("web-", i), weights[i], static_cast<uint16_t>(i)});
  }
  return takers;
}

class Clock {
 public:
  explicit Clock(absl::Duration duration) : duration_(duration) {}
  Weights Update(const Weights& weights) {
    auto takers = Takers(weights);
    slow_start.Update(duration_, now, &takers);
    Weights result;
    for (const MaglevBackend& taker : takers) result.push_back(taker.weight);
    return result;
  }
  SlowStart slow_start;
  absl::Duration now = absl::Seconds(1000);

 private:
  absl::Duration duration_;
};

TEST_CASE("slow start: ten steps, then the whole weight") {
  Clock clock(absl::Seconds(20));
  CHECK(clock.Update({100, 100}) == Weights{100, 100});  // who is there at first is full
  CHECK(clock.slow_start.NextStep() == absl::InfiniteDuration());
  CHECK(clock.Update({100, 0}) == Weights{100});
  for (uint32_t step = 1; step <= SlowStart::kSteps; ++step) {
    CHECK(clock.Update({100, 100}) == Weights{1100, 100 * step});
    CHECK(clock.slow_start.StepOf(0) == 0);
    CHECK(clock.slow_start.StepOf(1) == step);
    CHECK(clock.slow_start.NextStep() == clock.now + absl::Seconds(2));
    // Nothing happens between steps.
    clock.now += absl::Milliseconds(1999);
    CHECK(clock.Update({100, 100}) == Weights{1100, 100 * step});
    clock.now += absl::Milliseconds(1);
  }
  CHECK(clock.now == absl::Seconds(1020));
  CHECK(clock.Update({100, 100}) == Weights{100, 100});
  CHECK(clock.slow_start.NextStep() == absl::InfiniteDuration());
}

TEST_CASE("slow start: all that start step together") {
  Clock clock(absl::Seconds(20));
  clock.Update({100, 0, 0});
  clock.now += absl::Milliseconds(500);
  CHECK(clock.Update({100, 100, 0}) == Weights{1100, 100});
  clock.now += absl::Milliseconds(900);
  CHECK(clock.Update({100, 100, 100}) == Weights{1100, 100, 100});
  CHECK(clock.slow_start.NextStep() == absl::Seconds(1002));
  clock.now = absl::Seconds(1002);
  CHECK(clock.Update({100, 100, 100}) == Weights{1100, 200, 200});
}

TEST_CASE("slow start: who drops out begins anew, who stops having one is full") {
  Clock clock(absl::Seconds(10));
  clock.Update({100, 0});
  clock.Update({100, 100});
  clock.now += absl::Seconds(5);
  CHECK(clock.Update({100, 100}) == Weights{1100, 600});
  clock.Update({100, 0});
  CHECK(clock.Update({100, 100}) == Weights{1100, 100});
  auto takers = Takers({100, 100});
  clock.slow_start.Update(absl::ZeroDuration(), clock.now, &takers);
  CHECK(takers[1].weight == 100);
  CHECK(clock.Update({100, 100}) == Weights{100, 100});  // and stays so
}

TEST_CASE("slow start: small weights have room for their parts, large ones have it anyway") {
  Clock clock(absl::Seconds(10));
  clock.Update({1, 0});
  CHECK(clock.Update({1, 1}) == Weights{11, 1});
  Clock large(absl::Seconds(10));
  large.Update({10000, 0, 5});
  CHECK(large.Update({10000, 5000, 5}) == Weights{10000, 5000 / 11, 5});
  Clock mixed(absl::Seconds(10));
  mixed.Update({3000, 0});
  CHECK(mixed.Update({3000, 1}) == Weights{9000, 1});
}

// Slots that went from one owner to another.
struct Moves {
  uint32_t to = 0;      // the one that starts
  uint32_t from = 0;    // it
  uint32_t beside = 0;  // between others
};
Moves MovesBetween(const PoolSlots& before, const PoolSlots& after, uint16_t starting) {
  Moves moves;
  for (size_t i = 0; i < before->size(); ++i) {
    const uint16_t old_owner = (*before)[i].current, new_owner = (*after)[i].current;
    if (old_owner == new_owner) continue;
    ++(new_owner == starting ? moves.to : old_owner == starting ? moves.from : moves.beside);
  }
  return moves;
}

TEST_CASE("slow start: slots go to the backend that starts, and next to none to others") {
  constexpr uint32_t kTableSize = 65537;
  constexpr uint16_t kStarting = 4;
  for (const bool slow : {false, true}) {
    Bench bench(10, kTableSize);
    if (slow) bench.pool()->mutable_slow_start()->set_seconds(30);
    const Compiled full = bench.Compile();
    bench.health[Bench::Key(5)] = HealthState::kUnhealthy;
    PoolSlots slots = bench.Compile().tables.pools.at(0).slots;
    bench.health[Bench::Key(5)] = HealthState::kHealthy;
    Moves sum;
    uint32_t builds = 0;
    double share = 0;
    for (int i = 0; i < 400; ++i, bench.steady_now += absl::Milliseconds(100)) {
      const Compiled compiled = bench.Compile();
      const PoolSlots next = compiled.tables.pools.at(0).slots;
      const CompiledBackend& view = compiled.backends.at(Bench::Key(5));
      if (next == slots) continue;
      ++builds;
      REQUIRE(view.share > share);  // step by step more
      REQUIRE(view.slow_start_step == (slow && builds <= SlowStart::kSteps ? builds : 0));
      share = view.share;
      const Moves moves = MovesBetween(slots, next, kStarting);
      sum.to += moves.to;
      sum.from += moves.from;
      sum.beside += moves.beside;
      slots = next;
    }
    std::cout << (slow ? "slow start" : "at once") << ": " << builds << " tables, " << sum.to
              << " slots to the backend, " << sum.from << " from it, " << sum.beside
              << " between others\n";
    CHECK(builds == (slow ? SlowStart::kSteps + 1 : 1));
    for (size_t i = 0; i < kTableSize; ++i) {
      REQUIRE((*slots)[i].current == (*full.tables.pools.at(0).slots)[i].current);
    }
    CHECK(sum.from <= kTableSize / 1000);
    CHECK(sum.beside <= kTableSize / 50);
  }
}

TEST_CASE("slow start: known flows stay, also those of the backend that starts") {
  Bench bench(3);
  bench.pool()->mutable_slow_start()->set_seconds(10);
  bench.backend(2)->set_state(v1::DRAINED);
  const Compiled drained = bench.Compile();
  bench.backend(2)->set_state(v1::ENABLED);
  const Compiled starting = bench.Compile();
  CHECK(starting.backends.at(Bench::Key(2)).slow_start_step == 1);
  CHECK(starting.next_step == bench.steady_now + absl::Seconds(1));
  for (uint32_t index = 0; index < 3; ++index) {
    CHECK(starting.tables.backends.at(index).keeps_known_flows == 1);
    CHECK(starting.tables.backends.at(index).incarnation ==
          drained.tables.backends.at(index).incarnation);
  }
}

TEST_CASE("slow start: not at the first sight of a pool, but for a backend that is added") {
  Bench bench(2);
  bench.pool()->mutable_slow_start()->set_seconds(10);
  const Compiled first = bench.Compile();
  CHECK(first.backends.at(Bench::Key(1)).slow_start_step == 0);
  bench.Add(3);
  bench.health[Bench::Key(3)] = HealthState::kUnknown;
  CHECK(bench.Compile().backends.at(Bench::Key(3)).slow_start_step == 0);
  bench.health[Bench::Key(3)] = HealthState::kHealthy;
  CHECK(bench.Compile().backends.at(Bench::Key(3)).slow_start_step == 1);
}

}  // namespace
}  // namespace guideway
