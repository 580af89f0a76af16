// What is held or kept of many that failed at once, over other names of pools and over restarts.
#include <catch2/catch.hpp>

#include "tests/unit/controlplane/common_failures_world.h"

namespace guideway {
namespace {

struct Pool : World {
  Pool() {
    for (const char* address : {"a", "b", "c", "dead"}) Add("web", address);
    Run(20);
    (*this)["web/dead"].answers = false;
    Run(40);
  }
  // By restart or by renaming; what the pool is called then.
  std::string Move(bool restart) {
    if (restart) {
      Restart(2);
      return "web";
    }
    Rename("web", "shop");
    return "shop";
  }
};

TEST_CASE("common failures: a held pool is held on, and who was dead before stays out") {
  Pool world;
  world.SetAnswers(false);
  world.Run(40);
  REQUIRE(world.Serves("web/a"));
  REQUIRE_FALSE(world.Serves("web/dead"));
  const bool restart = GENERATE(true, false);
  CAPTURE(restart);
  const std::string pool = world.Move(restart);
  for (int i = 0; i < 200; ++i) {
    for (const char* name : {"/a", "/b", "/c"}) REQUIRE(world.Serves(pool + name));
    REQUIRE_FALSE(world.Serves(pool + "/dead"));
    world.Run(1);
  }
  for (const char* name : {"/a", "/b", "/c"}) world[pool + name].answers = true;
  for (int i = 0; i < 40; ++i) {
    world.Run(1);
    for (const char* name : {"/a", "/b", "/c"}) REQUIRE(world.Serves(pool + name));
    REQUIRE_FALSE(world.Serves(pool + "/dead"));
  }
  CHECK_FALSE(world.failures.Busy());
}

TEST_CASE(
    "common failures: known flows of many that failed at once stay, for as long as they did") {
  Pool world;
  world["web/a"].answers = world["web/b"].answers = false;
  world.Run(25);
  REQUIRE(world.KeepsFlows("web/a"));
  REQUIRE_FALSE(world.Serves("web/a"));
  const bool restart = GENERATE(true, false);
  CAPTURE(restart);
  const std::string pool = world.Move(restart);
  for (int i = 0; i < 20; ++i) {
    for (const char* name : {"/a", "/b"}) {
      REQUIRE(world.KeepsFlows(pool + name));
    }
    REQUIRE_FALSE(world.KeepsFlows(pool + "/dead"));
    world.Run(1);
  }
  world.Run(60);
  CHECK_FALSE(world.KeepsFlows(pool + "/a"));
  CHECK(world.Serves(pool + "/c"));
}

TEST_CASE("common failures: what was kept of an address applies soon, or not at all") {
  World world;
  world.failures.Remember({{.address = "b", .held = true}}, world.now);
  world.Add("web", "a");
  CHECK(world.Holds().size() == 1);  // another restart does not lose it
  const bool soon = GENERATE(true, false);
  world.Run(soon ? 50 : 70);
  world.SetMembers();
  world.Add("web", "b").verdict = HealthState::kUnhealthy;
  world.Rename("web", "shop");
  CHECK(world.failures.IsHeld("shop/b") == soon);
  CHECK(world.Holds().size() == (soon ? 1 : 0));
}

}  // namespace
}  // namespace guideway
