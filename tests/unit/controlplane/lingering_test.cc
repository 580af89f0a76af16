// Backends that left the configuration: how long they keep their flows, and who takes them over.
#include <catch2/catch.hpp>

#include "controlplane/compiler/impact.h"
#include "tests/unit/controlplane/compiler_bench.h"

namespace guideway {
namespace {

TEST_CASE("a removed backend stays while it has flows") {
  Bench bench(3);
  bench.Compile();
  bench.Remove(2);
  bench.Compile();
  const auto lingers = [&] { return bench.Compile().tables.backends.contains(1); };
  SECTION("however long that is") {
    for (int hour = 0; hour < 100; ++hour) {
      bench.steady_now += absl::Hours(1);
      CHECK_FALSE(bench.ObserveFlows(1));
      REQUIRE(lingers());
    }
    bench.ObserveFlows(0);
    bench.steady_now += BackendRegistry::kEmptyFor;
    CHECK(bench.ObserveFlows(0));
    CHECK_FALSE(lingers());
  }
  SECTION("and as long as nobody counts them") {
    bench.steady_now += absl::Hours(100);
    CHECK_FALSE(bench.ObserveFlows(std::nullopt));
    CHECK(lingers());
  }
  SECTION("a count of a data plane that has just started says nothing yet") {
    bench.steady_now += absl::Hours(1);
    bench.ObserveFlows(0);
    bench.steady_now += absl::Seconds(19);
    bench.registry.ForgetCounts();
    bench.ObserveFlows(0);
    bench.steady_now += absl::Seconds(19);
    CHECK_FALSE(bench.ObserveFlows(0));
    CHECK(lingers());
  }
  SECTION("without any for five minutes: other nodes may send flows of it here") {
    bench.ObserveFlows(0);
    bench.steady_now += BackendRegistry::kShortestLinger - absl::Seconds(1);
    CHECK_FALSE(bench.ObserveFlows(0));
    CHECK(lingers());
    bench.steady_now += absl::Seconds(1);
    CHECK(bench.ObserveFlows(0));
    CHECK_FALSE(lingers());
  }
  SECTION("but no longer than linger_limit") {
    bench.config.mutable_linger_limit()->set_seconds(30);
    CHECK(bench.registry.NextExpiry(LingerLimit(bench.config)) ==
          bench.steady_now + absl::Seconds(30));
    bench.steady_now += absl::Seconds(29);
    bench.ObserveFlows(5);
    CHECK(lingers());
    bench.steady_now += absl::Seconds(1);
    CHECK_FALSE(lingers());
  }
}

TEST_CASE("a backend that comes back under another name keeps its flows") {
  Bench bench(3);
  const Compiled before = bench.Compile();
  const auto body = before.tables.backends.at(1);
  v1::Backend* backend = bench.backend(2);
  const auto is_same = [&](const Compiled& after, const std::string& key) {
    const uint16_t index = after.backends.at(key).index;
    return index == body.index && after.tables.backends.at(index).incarnation == body.incarnation &&
           after.tables.backends.at(index).keeps_known_flows == 1;
  };
  SECTION("renamed in one step") {
    backend->set_name("other");
    bench.health["web/other/10.0.0.2"] = HealthState::kUnknown;
    const Compiled after = bench.Compile();
    CHECK(is_same(after, "web/other/10.0.0.2"));
    CHECK(after.tables.backends.size() == 3);
    CHECK(bench.registry.lingering_count() == 0);
  }
  SECTION("removed, and added later") {
    bench.Remove(2);
    bench.Compile();
    bench.steady_now += absl::Minutes(3);
    bench.Add(2);
    bench.backend(3)->set_name("other");
    bench.health["web/other/10.0.0.2"] = HealthState::kHealthy;
    CHECK(is_same(bench.Compile(), "web/other/10.0.0.2"));
  }
  SECTION("its pool renamed") {
    bench.pool()->set_name("www");
    bench.config.mutable_vips(0)->set_pool("www");
    for (int i = 1; i <= 3; ++i) {
      bench.health[absl::StrCat("www/web-", i, "/10.0.0.", i)] = HealthState::kHealthy;
    }
    const Compiled after = bench.Compile();
    CHECK(is_same(after, "www/web-2/10.0.0.2"));
    CHECK(bench.registry.lingering_count() == 0);
  }
  SECTION("not with another delivery: its flows go on the old way") {
    backend->set_name("other");
    bench.pool()->set_encapsulation(v1::IPIP);
    bench.health["web/other/10.0.0.2"] = HealthState::kHealthy;
    const Compiled after = bench.Compile();
    CHECK_FALSE(is_same(after, "web/other/10.0.0.2"));
    CHECK(after.tables.backends.at(1).encapsulation == channel::Encapsulation::kL2);
    CHECK(after.tables.backends.at(1).keeps_known_flows == 1);
    CHECK(bench.registry.lingering_count() == 1);
  }
  SECTION("not one that another pool has at the same time") {
    v1::Pool* second = bench.config.add_pools();
    *second = *bench.pool();
    second->set_name("second");
    for (int i = 1; i <= 3; ++i) {
      bench.health[absl::StrCat("second/web-", i, "/10.0.0.", i)] = HealthState::kHealthy;
    }
    const Compiled after = bench.Compile();
    CHECK(is_same(after, Bench::Key(2)));
    CHECK_FALSE(is_same(after, "second/web-2/10.0.0.2"));
  }
  SECTION("what a change would do says so") {
    v1::Config changed = bench.config;
    changed.clear_vips();
    v1::Config old = changed;
    changed.mutable_pools(0)->mutable_backends(1)->set_name("other");
    bench.health["web/other/10.0.0.2"] = HealthState::kHealthy;
    const auto impact = ComparePool(bench.Input(), old, changed, nullptr);
    REQUIRE(impact.ok());
    CHECK(impact->losing_backends.empty());
  }
}

TEST_CASE("a removed backend gives its flows up when it is dead") {
  Bench bench(3);
  bench.Compile();
  bench.Remove(2);
  Compiled compiled = bench.Compile();
  const auto keeps = [&] { return bench.Compile().tables.backends.at(1).keeps_known_flows == 1; };
  ResolvedNextHop& hop = bench.next_hops.at(*IpAddress::Parse(Bench::Address(2)));
  SECTION("by its probes, and takes them again if it lives") {
    bench.health[Bench::Key(2)] = HealthState::kUnhealthy;
    CHECK_FALSE(keeps());
    bench.health[Bench::Key(2)] = HealthState::kHealthy;
    CHECK(keeps());
  }
  SECTION("not while the pool has failed open: the probes may be wrong") {
    for (int i = 1; i <= 3; ++i) bench.health[Bench::Key(i)] = HealthState::kUnhealthy;
    CHECK(keeps());
  }
  SECTION("by its neighbour, within seconds") {
    hop.problem = "10.0.0.2 on eth1 does not answer";
    hop.pending = false;
    CHECK(keeps());
    bench.steady_now += Reachability::kDownAfter;
    CHECK_FALSE(keeps());
  }
  SECTION("not if nobody else can be reached either") {
    for (auto& [address, next_hop] : bench.next_hops) {
      next_hop.problem = "eth1 is down";
      next_hop.pending = false;
    }
    bench.Compile();
    bench.steady_now += absl::Seconds(10);
    CHECK(keeps());
  }
}

}  // namespace
}  // namespace guideway
