// What becomes of verdicts in the controller as a whole: all of a pool at once, restarts, other
// names.
#include <catch2/catch.hpp>

#include "absl/strings/str_cat.h"
#include "tests/unit/controlplane/controller_bench.h"

namespace guideway {
namespace {

TEST_CASE("a dead pool fails open, and says so") {
  Bench bench;
  for (int i = 0; i < 3; ++i) REQUIRE(bench.AwaitHealth(i, v1::HEALTH_HEALTHY));
  for (int i = 0; i < 3; ++i) bench.StopServer(i);
  for (int i = 0; i < 3; ++i) REQUIRE(bench.AwaitHealth(i, v1::HEALTH_UNHEALTHY));
  REQUIRE(bench.AwaitSlots(true, true, true));
  // With those that were alive before: in case it is the probes' way that is cut.
  bench.thread.On([&] {
    CHECK(bench.State(0).health_reason() ==
          "unhealthy, but stays, as all of the pool fail: connect: Connection refused");
    v1::GetStateResponse state;
    bench.controller->FillState(&state);
    CHECK(state.pools(0).failed_open());
    CHECK(bench.HasProblem("common-failure"));
  });
}

TEST_CASE("an order ends what is held: known flows go as well") {
  Bench bench;
  for (int i = 0; i < 3; ++i) REQUIRE(bench.AwaitHealth(i, v1::HEALTH_HEALTHY));
  for (int i = 0; i < 3; ++i) bench.StopServer(i);
  for (int i = 0; i < 3; ++i) REQUIRE(bench.AwaitHealth(i, v1::HEALTH_UNHEALTHY));
  const auto keeps = [&](uint16_t i) {
    return bench.dataplane->tables().backends.at(i).body.keeps_known_flows == 1;
  };
  bench.thread.On([&] {
    CHECK(keeps(0));
    v1::ForceHealthRequest request;
    request.set_pool("web");
    request.set_backend(bench.config.pools(0).backends(0).name());
    request.set_force(v1::FORCE_UNHEALTHY);
    std::string change;
    CHECK(bench.controller->ForceHealth(request, &change).ok());
  });
  CHECK(bench.thread.Await([&] { return !keeps(0); }));
  bench.thread.On([&] { CHECK(keeps(1)); });
}

TEST_CASE("a pool that dies bit by bit: who was dead before gets nothing") {
  Bench bench;
  for (int i = 0; i < 3; ++i) REQUIRE(bench.AwaitHealth(i, v1::HEALTH_HEALTHY));
  bench.StopServer(2);
  REQUIRE(bench.AwaitSlots(true, true, false));
  // A round of probes later it has failed alone.
  REQUIRE(bench.thread.Await(
      [&] { return bench.dataplane->tables().backends.at(2).body.keeps_known_flows == 0; }));
  bench.StopServer(0);
  bench.StopServer(1);
  for (int i = 0; i < 3; ++i) REQUIRE(bench.AwaitHealth(i, v1::HEALTH_UNHEALTHY));
  REQUIRE(bench.AwaitSlots(true, true, false));
  bench.thread.On([&] {
    CHECK(bench.dataplane->tables().backends.at(0).body.keeps_known_flows == 1);
    CHECK(bench.dataplane->tables().backends.at(2).body.keeps_known_flows == 0);
  });
}

TEST_CASE("unhealthy_keeps_flows: no new flows, but the known ones") {
  Bench bench;
  bench.config.mutable_pools(0)->set_unhealthy_keeps_flows(true);
  bench.thread.On([&] { bench.controller->SetConfig(bench.config); });
  for (int i = 0; i < 3; ++i) REQUIRE(bench.AwaitHealth(i, v1::HEALTH_HEALTHY));
  bench.StopServer(1);
  REQUIRE(bench.AwaitSlots(true, false, true));
  bench.thread.On([&] {
    CHECK(bench.dataplane->tables().backends.at(1).body.keeps_known_flows == 1);
    bench.config.mutable_pools(0)->set_unhealthy_keeps_flows(false);
    bench.controller->SetConfig(bench.config);
  });
  REQUIRE(bench.thread.Await(
      [&] { return bench.dataplane->tables().backends.at(1).body.keeps_known_flows == 0; }));
}

TEST_CASE("both daemons restarted: who was dead stays out from the first tables on") {
  Bench bench;
  REQUIRE(bench.AwaitSlots(true, true, true));
  bench.StopServer(2);
  REQUIRE(bench.AwaitSlots(true, true, false));
  // Over a restart who has not failed alone yet counts as one of many.
  REQUIRE(bench.thread.Await(
      [&] { return bench.dataplane->tables().backends.at(2).body.keeps_known_flows == 0; }));
  const bool new_backend = GENERATE(false, true);
  if (new_backend) {  // so that the pool settles
    v1::Backend* backend = bench.config.mutable_pools(0)->add_backends();
    backend->set_name("web-3");
    backend->set_address("127.0.0.77");
    FillDefaults(&bench.config);
  }
  bench.StartDataplane();
  bench.StartController();
  bool checked = false;
  REQUIRE(bench.thread.Await([&] {
    if (bench.dataplane->generation() == 0) return false;
    for (const auto& slot : bench.dataplane->Slots(0)) {
      if (slot.current == 2) return false;
    }
    checked = bench.State(2).health() == v1::HEALTH_UNHEALTHY && bench.State(2).share() == 0;
    return true;
  }));
  CHECK(checked);
  bench.thread.On([&] {
    CHECK(bench.Status().settling() == new_backend);
    CHECK(bench.dataplane->tables().backends.at(2).body.keeps_known_flows == 0);
    if (!new_backend) bench.StartServer(2);
  });
  if (!new_backend) REQUIRE(bench.AwaitSlots(true, true, true));
}

TEST_CASE("a pool and its backends get other names: the dead one stays out") {
  Bench bench;
  REQUIRE(bench.AwaitSlots(true, true, true));
  bench.StopServer(2);
  REQUIRE(bench.AwaitSlots(true, true, false));
  v1::Config renamed = bench.config;
  bench.thread.On([&] {
    renamed.mutable_pools(0)->set_name("shop");
    for (v1::Vip& vip : *renamed.mutable_vips()) vip.set_pool("shop");
    for (int i = 0; i < 3; ++i) {
      renamed.mutable_pools(0)->mutable_backends(i)->set_name(absl::StrCat("shop-", i));
    }
    bench.controller->SetConfig(renamed);
    CHECK_FALSE(bench.Status().settling());
  });
  // Probes are set anew in turns, and nothing is known of its share until the tables are made.
  const auto stays_out = [&] {
    CHECK(bench.State(2).share() == 0);
    const v1::Health health = bench.State(2).health();
    CHECK((health == v1::HEALTH_UNHEALTHY || health == v1::HEALTH_UNKNOWN));
    return health == v1::HEALTH_UNHEALTHY && bench.State(0).share() != 0;
  };
  REQUIRE(bench.thread.Await(stays_out));
  bench.thread.On([&] {
    CHECK(bench.State(0).share() == Approx(0.5).margin(0.05));
    // Gone for a moment, and back under its old name.
    renamed.mutable_pools(0)->mutable_backends()->RemoveLast();
    bench.controller->SetConfig(renamed);
    bench.controller->SetConfig(bench.config);
  });
  REQUIRE(bench.thread.Await(stays_out));
  bench.thread.On([&] { bench.StartServer(2); });
  REQUIRE(bench.AwaitHealth(2, v1::HEALTH_HEALTHY));
}

TEST_CASE("a damaged file of verdicts is named, and costs nothing else") {
  Bench bench;
  REQUIRE(bench.AwaitSlots(true, true, true));
  bench.thread.On([&] { bench.controller.reset(); });
  const bool cut = GENERATE(false, true);
  bench.Write("health-verdicts", cut ? "" : "rubbish");
  bench.StartController();
  bench.thread.On([&] { CHECK(bench.HasProblem("state-damaged")); });
  for (int i = 0; i < 3; ++i) REQUIRE(bench.AwaitHealth(i, v1::HEALTH_HEALTHY));
  // Written anew when verdicts have come.
  REQUIRE(bench.thread.Await([&] { return !bench.HasProblem("state-damaged"); }));
}

}  // namespace
}  // namespace guideway
