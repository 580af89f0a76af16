// Common failures of backends that have left the configuration and finish their flows.
#include <catch2/catch.hpp>

#include "tests/unit/controlplane/common_failures_world.h"

namespace guideway {
namespace {

// A pool that is left, beside one that is used.
struct LeftPool : World {
  LeftPool() {
    for (const char* key : {"a", "b", "c"}) Add("blue", key);
    for (const char* key : {"d", "e", "f"}) Add("green", key);
    Run(20);
  }
  bool All(bool (World::*what)(const std::string&), const std::string& pool) {
    for (const char* name : {"a", "b", "c", "d", "e", "f"}) {
      const std::string key = absl::StrCat(pool, "/", name);
      const bool is_of_pool = (pool == "blue") == (name[0] < 'd');
      if (is_of_pool && !(this->*what)(key)) return false;
    }
    return true;
  }
};

TEST_CASE("common failures: the probes' way is cut, and who was removed keeps its flows") {
  LeftPool world;
  const bool removed_before = GENERATE(true, false);
  if (removed_before) world.Remove("blue");
  world.SetAnswers(false);
  world.Run(40);
  if (!removed_before) world.Remove("blue");
  for (int i = 0; i < 300; ++i) {
    world.Run(1);
    REQUIRE(world.All(&World::KeepsFlows, "blue"));
    REQUIRE(world.All(&World::Serves, "green"));
  }
  CHECK(world.failures.Episodes(world.now).size() == 1);  // green's
  world.SetAnswers(true);
  for (int i = 0; i < 40; ++i) {
    world.Run(1);
    REQUIRE(world.All(&World::KeepsFlows, "blue"));
  }
  CHECK_FALSE(world.failures.Busy());
}

TEST_CASE("common failures: of a pool with some left, who was removed is held like the others") {
  LeftPool world;
  world["blue/a"].lingers = true;
  world.SetMembers();
  for (const char* key : {"blue/a", "blue/b", "blue/c"}) world[key].answers = false;
  for (int i = 0; i < 300; ++i) {
    world.Run(1);
    REQUIRE(world.All(&World::KeepsFlows, "blue"));
  }
  CHECK(world.failures.Episodes(world.now)[0].held == 2);
}

TEST_CASE("common failures: a pool that was removed and stopped is let go") {
  LeftPool world;
  world.Remove("blue");
  for (const char* key : {"blue/a", "blue/b", "blue/c"}) world[key].answers = false;
  world.Run(40);
  CHECK(world.All(&World::KeepsFlows, "blue"));  // many at once
  world.Run(60);
  for (const char* key : {"blue/a", "blue/b", "blue/c"}) CHECK_FALSE(world.KeepsFlows(key));
  CHECK_FALSE(world.failures.Busy());
  CHECK(world.All(&World::Serves, "green"));
}

TEST_CASE("common failures: who was removed and dies alone is let go at once") {
  LeftPool world;
  world.Remove("blue");
  world["blue/a"].answers = false;
  world.Run(40);
  CHECK_FALSE(world.KeepsFlows("blue/a"));
  CHECK(world.KeepsFlows("blue/b"));
}

TEST_CASE("common failures: where nobody else is probed, who was removed is not held for good") {
  World world;
  world.Add("blue", "a");
  world.Add("blue", "b");
  world.Run(20);
  world.Remove("blue");
  world.SetAnswers(false);
  world.Run(120);
  CHECK_FALSE(world.KeepsFlows("blue/a"));
  CHECK_FALSE(world.KeepsFlows("blue/b"));
}

TEST_CASE("common failures: who could answer and does not is no reason to hold for good") {
  World world;
  for (const char* key : {"a", "b"}) world.Add("blue", key);
  world.Add("red", "dead", 3, HealthState::kUnhealthy).answers = false;
  world.Run(40);
  world.Remove("blue");
  world.SetAnswers(false);
  world.Run(120);
  CHECK_FALSE(world.KeepsFlows("blue/a"));
  CHECK_FALSE(world.KeepsFlows("blue/b"));
}

TEST_CASE("common failures: that others do not fail yet is no answer") {
  LeftPool world;
  const bool paused = GENERATE(false, true);
  for (const char* key : {"green/d", "green/e", "green/f"}) {
    (paused ? world[key].paused : world[key].lingers) = paused;
    if (!paused) world[key].interval = absl::Seconds(30);
  }
  world.Remove("blue");
  world.SetMembers();
  world.Run(31);
  world.SetAnswers(false);
  for (int i = 0; i < 300; ++i) {
    world.Run(1);
    REQUIRE(world.All(&World::KeepsFlows, "blue"));
  }
}

TEST_CASE("common failures: what is held of a removed pool outlasts a restart") {
  LeftPool world;
  world.SetAnswers(false);
  world.Run(40);
  world.Remove("blue");
  world.Restart(2, "blue");
  for (int i = 0; i < 200; ++i) {
    world.Run(1);
    REQUIRE(world.All(&World::KeepsFlows, "blue"));
  }
}

TEST_CASE("common failures: who lingers is no reason to give all to the first that is back") {
  LeftPool world;
  world["blue/c"].lingers = true;
  world.SetMembers();
  world["blue/a"].answers = world["blue/b"].answers = false;
  world.Run(120);
  REQUIRE_FALSE(world.KeepsFlows("blue/a"));
  world["blue/a"].answers = world["blue/b"].answers = true;
  bool both = true;
  for (int i = 0; i < 30; ++i) {
    world.Run(1);
    both = both && world.Serves("blue/a") == world.Serves("blue/b");
  }
  CHECK(both);
  CHECK(world.Serves("blue/a"));
}

TEST_CASE("common failures: a cut ends for all but who was removed and is dead") {
  LeftPool world;
  world.Remove("blue");
  world.SetAnswers(false);
  world.Run(60);
  REQUIRE(world.All(&World::KeepsFlows, "blue"));
  world.SetAnswers(true);
  world["blue/a"].answers = false;
  world.Run(20);
  CHECK(world.KeepsFlows("blue/a"));  // it failed with the others, and others came back first
  world.Run(120);
  CHECK_FALSE(world.KeepsFlows("blue/a"));
  CHECK(world.All(&World::Serves, "green"));
}

}  // namespace
}  // namespace guideway
