// Updates of single pools against whole compilations.
#include <catch2/catch.hpp>
#include <random>

#include "tests/unit/controlplane/compiler_bench.h"

namespace guideway {
namespace {

TEST_CASE("updates of health alone come to what a whole compilation comes to") {
  Bench step_by_step(40, 1009);
  Bench whole(40, 1009);
  Compiled compiled = step_by_step.Compile();
  whole.Compile();
  std::minstd_rand random(3);
  constexpr HealthState kStates[] = {HealthState::kHealthy, HealthState::kUnhealthy,
                                     HealthState::kUnknown};
  for (int round = 0; round < 200; ++round) {
    for (uint64_t n = random() % 5; n > 0; --n) {
      // Rarely all at once: the pool fails open and recovers.
      const bool all = random() % 50 == 0;
      const HealthState state = kStates[random() % 3];
      const int one = static_cast<int>(random() % 40) + 1;
      for (int i = all ? 1 : one; i <= (all ? 40 : one); ++i) {
        step_by_step.health[Bench::Key(i)] = whole.health[Bench::Key(i)] = state;
      }
    }
    const Tables before = compiled.tables;
    step_by_step.UpdateHealth(&compiled);
    const Compiled expected = whole.Compile();
    REQUIRE(Difference(&expected.tables, compiled.tables).empty());
    REQUIRE(Difference(&compiled.tables, expected.tables).empty());
    REQUIRE(Difference(&before, compiled.tables).size() ==
            Difference(&before, expected.tables).size());
    const CompiledPool& pool = compiled.pools.at("web");
    REQUIRE(pool.digest->value() == expected.pools.at("web").digest->value());
    REQUIRE(pool.failed_open == expected.pools.at("web").failed_open);
    for (int i = 1; i <= 40; ++i) {
      REQUIRE(compiled.backends.at(Bench::Key(i)).share ==
              expected.backends.at(Bench::Key(i)).share);
    }
  }
}

}  // namespace
}  // namespace guideway
