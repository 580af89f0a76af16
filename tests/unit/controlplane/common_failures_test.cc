// Which failures are a backend's own and which many have in common, told by answers and time alone.
#include <catch2/catch.hpp>

#include "tests/unit/controlplane/common_failures_world.h"

namespace guideway {
namespace {

TEST_CASE("common failures: one backend that dies goes out with its verdict") {
  World world;
  for (const char* address : {"a", "b", "c"}) world.Add("web", address);
  world.Run(20);
  world["web/b"].answers = false;
  int seconds = 0;
  for (; world["web/b"].verdict == HealthState::kHealthy; ++seconds) world.Run(1);
  CHECK(seconds <= 5 + 2 * 5 + 3 + 1);
  CHECK_FALSE(world.KeepsFlows("web/b"));
  CHECK_FALSE(world.failures.Busy());
  world["web/b"].answers = true;
  world.Run(12);
  CHECK(world.Serves("web/b"));
}

TEST_CASE("common failures: one of two dies, and later the other one") {
  World world;
  world.Add("web", "a");
  world.Add("web", "b");
  world.Run(20);
  world["web/a"].answers = false;
  world.Run(30);
  CHECK_FALSE(world.KeepsFlows("web/a"));
  world["web/b"].answers = false;
  world.Run(30);
  CHECK(world.Serves("web/b"));  // the last that was alive; the one that was dead stays out
  CHECK_FALSE(world.Serves("web/a"));
  CHECK(world.failures.HoldsWholePool("web"));
  world["web/a"].answers = true;  // and takes over: the prober works, so b is dead
  world.Run(40);
  CHECK(world.Serves("web/a"));
  CHECK_FALSE(world.KeepsFlows("web/b"));
}

TEST_CASE("common failures: the probes' way is cut for a while, and nothing moves") {
  World world;
  for (const char* address : {"a", "b", "c"}) world.Add("web", address);
  world.Add("web", "dead");
  world.Add("api", "a");
  world.Run(20);
  world["web/dead"].answers = false;
  world.Run(30);
  REQUIRE_FALSE(world.KeepsFlows("web/dead"));
  const int cut_s = GENERATE(12, 18, 45, 300);
  CAPTURE(cut_s);
  world.SetAnswers(false);
  const auto check = [&] {
    for (const char* key : {"web/a", "web/b", "web/c", "api/a"}) {
      CAPTURE(key);
      CHECK(world.Serves(key));
    }
    CHECK_FALSE(world.Serves("web/dead"));
  };
  for (int i = 0; i < cut_s; ++i) {
    world.Run(1);
    check();
  }
  if (cut_s >= 45) {
    const auto episodes = world.failures.Episodes(world.now);
    REQUIRE(episodes.size() == 2);
    CHECK(episodes[1].pool == "web");
    CHECK(episodes[1].held == 3);
    CHECK(episodes[1].backends == 3);
    CHECK(episodes[1].long_held == (cut_s > 100));
    const auto without = world.failures.Episodes(
        world.now, [](const std::string& key) { return key == "web/a" || key == "api/a"; });
    REQUIRE(without.size() == 1);
    CHECK(without[0].held == 2);
    CHECK(world.failures.IsLongHeld("web/a", world.now) == (cut_s > 100));
  }
  for (const char* key : {"web/a", "web/b", "web/c", "api/a"}) world[key].answers = true;
  for (int i = 0; i < 30; ++i) {
    world.Run(1);
    check();
  }
  CHECK_FALSE(world.failures.Busy());
  CHECK(world.failures.Episodes(world.now).empty());
}

TEST_CASE("common failures: a good answer in between is not the end of it") {
  World world;
  for (const char* address : {"a", "b", "c"}) world.Add("web", address);
  world.Run(20);
  world.SetAnswers(false);
  world.Run(30);
  world["web/a"].answers = true;
  world.Run(5);  // one probe
  world.SetAnswers(false);
  world.Run(60);
  for (const char* key : {"web/a", "web/b", "web/c"}) CHECK(world.Serves(key));
}

TEST_CASE("common failures: who does not come back with the first one goes out after it") {
  World world;
  for (const char* address : {"a", "b", "c"}) world.Add("web", address);
  world.Run(20);
  world.SetAnswers(false);
  world.Run(40);
  world["web/a"].answers = true;
  world.Run(12);
  CHECK(world["web/a"].verdict == HealthState::kHealthy);
  CHECK(world.Serves("web/b"));
  CHECK(world.Serves("web/c"));
  world["web/c"].answers = true;
  world.Run(15);
  CHECK(world.Serves("web/c"));
  CHECK_FALSE(world.Serves("web/b"));
  CHECK(world.KeepsFlows("web/b"));  // its way may be the last that is mended
  world.Run(60);
  CHECK_FALSE(world.KeepsFlows("web/b"));  // one alone: dead
  CHECK_FALSE(world.failures.Busy());
}

TEST_CASE("common failures: the last whose way is mended loses no flow to the others' recovery") {
  World world;
  for (const char* address : {"a", "b", "c"}) world.Add("web", address);
  world.Run(20);
  SECTION("many failed") { world["web/a"].answers = world["web/b"].answers = false; }
  SECTION("all failed") { world.SetAnswers(false); }
  world.Run(25);
  for (const char* address : {"c", "a", "b"}) {
    world[absl::StrCat("web/", address)].answers = true;
    for (int i = 0; i < 14; ++i) {
      world.Run(1);
      for (const char* key : {"web/a", "web/b", "web/c"}) CHECK(world.KeepsFlows(key));
    }
  }
  for (const char* key : {"web/a", "web/b", "web/c"}) CHECK(world.Serves(key));
}

TEST_CASE("common failures: many of a pool at once keep their flows for a while") {
  World world;
  for (const char* address : {"a", "b", "c"}) world.Add("web", address);
  world.Run(20);
  world["web/a"].answers = world["web/b"].answers = false;
  int kept_s = 0;
  for (int i = 0; i < 120; ++i) {
    world.Run(1);
    CHECK_FALSE(world.failures.IsHeld("web/a"));
    if (world["web/a"].verdict == HealthState::kUnhealthy && world.KeepsFlows("web/a")) ++kept_s;
  }
  CHECK(kept_s >= 59);
  CHECK(kept_s <= 61);
  CHECK_FALSE(world.KeepsFlows("web/b"));
  CHECK(world.Serves("web/c"));
}

TEST_CASE("common failures: one server in many pools is one failure") {
  World world;
  for (const char* pool : {"p", "q", "r"}) {
    for (const char* address : {"a", "b", "c"}) world.Add(pool, address);
  }
  world.Run(20);
  for (const char* key : {"p/b", "q/b", "r/b"}) world[key].answers = false;
  world.Run(30);
  for (const char* key : {"p/b", "q/b", "r/b"}) CHECK_FALSE(world.KeepsFlows(key));
}

TEST_CASE("common failures: many addresses over the pools are many") {
  World world;
  for (const char* pool : {"p", "q", "r", "s"}) {
    for (const char* name : {"1", "2", "3", "4", "5"}) world.Add(pool, absl::StrCat(pool, name));
  }
  world.Run(20);
  for (const char* pool : {"p", "q", "r", "s"}) {  // a rack: one of five in each pool
    world[absl::StrCat(pool, "/", pool, "1")].answers = false;
  }
  world.Run(22);
  CHECK(world["p/p1"].verdict == HealthState::kUnhealthy);
  CHECK_FALSE(world.KeepsFlows("p/p1"));  // 4 of 20
  for (const char* pool : {"p", "q"}) {
    world[absl::StrCat(pool, "/", pool, "1")].answers = true;
  }
  world.Run(20);
  for (const char* pool : {"p", "q"}) {
    for (const char* name : {"2", "3", "4"}) {
      world[absl::StrCat(pool, "/", pool, name)].answers = false;
    }
  }
  world.Run(22);
  CHECK(world["p/p2"].verdict == HealthState::kUnhealthy);
  CHECK(world.KeepsFlows("p/p2"));
  CHECK_FALSE(world.Serves("p/p2"));
}

TEST_CASE("common failures: of two, the second may be heard of after the first one's verdict") {
  World world;
  for (const char* address : {"a", "b", "c", "d"}) world.Add("web", address, 2);
  world.Run(20);
  world["web/a"].answers = world["web/c"].answers = false;
  world["web/c"].next = absl::Seconds(26);
  while (world["web/a"].verdict == HealthState::kHealthy) world.Run(1);
  CHECK_FALSE(world.Serves("web/a"));
  if (GENERATE(false, true)) world.Restart(1);
  for (int i = 0; i < 30; ++i) {
    CHECK(world.KeepsFlows("web/a"));
    CHECK(world.KeepsFlows("web/c"));
    world.Run(1);
  }
}

TEST_CASE("common failures: with fall 1 the flows wait for others' answers, new ones do not") {
  World world;
  for (const char* address : {"a", "b", "c"}) world.Add("web", address, 1);
  world.Run(20);
  SECTION("it was alone") {
    world["web/b"].answers = false;
    while (world["web/b"].verdict == HealthState::kHealthy) world.Run(1);
    CHECK_FALSE(world.Serves("web/b"));
    CHECK(world.KeepsFlows("web/b"));
    CHECK(world.failures.Episodes(world.now).empty());
    world.Run(9);  // a round of probes
    CHECK_FALSE(world.KeepsFlows("web/b"));
  }
  SECTION("it was not") {
    world.SetAnswers(false);
    for (int i = 0; i < 30; ++i) {
      world.Run(1);
      for (const char* key : {"web/a", "web/b", "web/c"}) CHECK(world.KeepsFlows(key));
    }
    for (const char* key : {"web/a", "web/b", "web/c"}) CHECK(world.Serves(key));
  }
}

TEST_CASE("common failures: who answers every second time does not wait for ever") {
  World world;
  for (const char* address : {"a", "b", "c"}) world.Add("web", address, 1);
  world.Run(21);
  for (int i = 0; i < 6; ++i) {
    world["web/b"].answers = i % 2 == 1;
    world.Run(5);  // a probe
  }
  CHECK(world["web/b"].verdict == HealthState::kUnhealthy);
  CHECK_FALSE(world.KeepsFlows("web/b"));
  CHECK_FALSE(world.failures.Busy());
}

TEST_CASE("common failures: a hold begins when it does, not when somebody was kept before it") {
  World world;
  for (const char* address : {"a", "b", "c", "d"}) world.Add("web", address);
  world.Run(20);
  world["web/a"].answers = world["web/b"].answers = false;
  world.Run(60);
  REQUIRE(world.KeepsFlows("web/a"));
  world["web/c"].answers = world["web/d"].answers = false;
  while (!world.failures.IsHeld("web/c")) world.Run(1);
  const absl::Duration held_at = world.now;
  while (!world.failures.IsLongHeld("web/c", world.now)) world.Run(1);
  CHECK(world.now - held_at >= absl::Seconds(55));
}

TEST_CASE("common failures: a pool that was open from the start comes back in step") {
  World world;
  for (const char* address : {"a", "b", "c"}) {
    World::Backend& backend = world.Add("web", address);
    backend.verdict = HealthState::kUnknown;
    backend.answers = false;
  }
  CommonFailures fresh;
  std::swap(world.failures, fresh);
  world.SetMembers();
  world.Run(30);
  for (const char* key : {"web/a", "web/b", "web/c"}) {
    CHECK(world[key].verdict == HealthState::kUnhealthy);
    CHECK_FALSE(world.Serves(key));  // was never in service: the pool fails open
  }
  world.SetAnswers(true);
  bool first = false;
  for (int i = 0; i < 20; ++i) {
    world.Run(1);
    for (const char* key : {"web/a", "web/b", "web/c"}) {
      first = first || world[key].verdict == HealthState::kHealthy;
    }
    for (const char* key : {"web/a", "web/b", "web/c"}) {
      if (first) CHECK(world.Serves(key));
    }
  }
  CHECK(first);
  CHECK_FALSE(world.failures.Busy());
}

TEST_CASE("common failures: switched off, and members that go") {
  SECTION("off") {
    World world(absl::ZeroDuration());
    world.Add("web", "a");
    world.Add("web", "b");
    world.Run(20);
    world.SetAnswers(false);
    world.Run(30);
    CHECK_FALSE(world.KeepsFlows("web/a"));
    CHECK_FALSE(world.failures.Busy());
  }
  SECTION("switched off in the middle, and emptied") {
    World world;
    world.Add("web", "a");
    world.Add("web", "b");
    world.Run(20);
    world.SetAnswers(false);
    world.Run(30);
    CHECK(world.Serves("web/a"));
    world.failures.SetMembers({}, kBound, world.now);
    CHECK_FALSE(world.failures.Busy());
    CHECK_FALSE(world.failures.IsHeld("web/a"));
    CHECK(world.failures.TakeChanged().empty());
  }
}

}  // namespace
}  // namespace guideway
