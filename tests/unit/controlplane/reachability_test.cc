// Reachability: its patience, and what it does to who takes and keeps flows.
#include "controlplane/compiler/reachability.h"

#include <catch2/catch.hpp>

#include "tests/unit/controlplane/compiler_bench.h"

namespace guideway {
namespace {

using Sight = Reachability::Sight;

// One backend, seen at moments.
struct Watch {
  struct Verdict {
    bool unreachable, gives_up_flows;
  };
  Verdict At(double seconds, Sight sight) {
    reachability.set_ports_are_known(ports_are_known);
    reachability.BeginRound(absl::Seconds(1000) + absl::Seconds(seconds));
    const bool unreachable = reachability.See(address, {}, sight);
    reachability.SeeGroup("pool", false);
    const bool gives_up = reachability.GivesUpFlows(address, {}, "pool");
    reachability.EndRound();
    return {unreachable, gives_up};
  }
  absl::Duration next() const { return reachability.NextStep() - absl::Seconds(1000); }

  const IpAddress address = *IpAddress::Parse("10.0.0.1");
  bool ports_are_known = true;
  Reachability reachability;
};

TEST_CASE("what is seen first counts at once, but for flows that may be known") {
  Watch watch;
  SECTION("without a way") {
    CHECK(watch.At(0, Sight::kUnreachable).unreachable);
    CHECK_FALSE(watch.At(0, Sight::kUnreachable).gives_up_flows);
    CHECK(watch.next() == Reachability::kKnownFlowsPatience);
    CHECK(watch.At(3, Sight::kUnreachable).gives_up_flows);
    CHECK(watch.next() == absl::InfiniteDuration());
  }
  SECTION("not known yet, once it was reachable: however long that takes") {
    CHECK_FALSE(watch.At(0, Sight::kReachable).unreachable);
    CHECK_FALSE(watch.At(1, Sight::kNotKnownYet).unreachable);
    CHECK_FALSE(watch.At(100, Sight::kNotKnownYet).unreachable);
    CHECK(watch.next() == absl::InfiniteDuration());
  }
}

TEST_CASE("who is never known is unreachable in the end") {
  Watch watch;
  CHECK_FALSE(watch.At(0, Sight::kNotKnownYet).unreachable);
  CHECK(watch.next() == Reachability::kFirstPatience);
  SECTION("no answer at all") {
    CHECK_FALSE(watch.At(4.9, Sight::kNotKnownYet).unreachable);
    CHECK(watch.next() == Reachability::kFirstPatience);
    const auto lost = watch.At(5, Sight::kNotKnownYet);
    CHECK(lost.unreachable);
    CHECK_FALSE(lost.gives_up_flows);
    CHECK(watch.At(8, Sight::kNotKnownYet).gives_up_flows);
    CHECK(watch.next() == absl::InfiniteDuration());
    // An answer counts as a way that has come back.
    CHECK(watch.At(20, Sight::kReachable).unreachable);
    CHECK_FALSE(watch.At(21, Sight::kReachable).unreachable);
    CHECK_FALSE(watch.At(100, Sight::kNotKnownYet).unreachable);
  }
  SECTION("a way before that") {
    CHECK_FALSE(watch.At(4.9, Sight::kReachable).unreachable);
    CHECK(watch.next() == absl::InfiniteDuration());
    CHECK_FALSE(watch.At(100, Sight::kNotKnownYet).unreachable);
  }
  SECTION("without the data plane's ports time does not count") {
    watch.ports_are_known = false;
    CHECK_FALSE(watch.At(4, Sight::kNotKnownYet).unreachable);
    CHECK(watch.next() == absl::InfiniteDuration());
    CHECK_FALSE(watch.At(100, Sight::kNotKnownYet).unreachable);
    watch.ports_are_known = true;
    CHECK_FALSE(watch.At(101, Sight::kNotKnownYet).unreachable);
    CHECK(watch.next() == absl::Seconds(106));
    CHECK(watch.At(106, Sight::kNotKnownYet).unreachable);
  }
}

TEST_CASE("a way that is lost for a moment is no matter") {
  Watch watch;
  watch.At(0, Sight::kReachable);
  CHECK_FALSE(watch.At(10, Sight::kUnreachable).unreachable);
  CHECK(watch.next() == absl::Seconds(11));
  CHECK_FALSE(watch.At(10.9, Sight::kUnreachable).unreachable);
  CHECK_FALSE(watch.At(10.95, Sight::kNotKnownYet).unreachable);
  CHECK_FALSE(watch.At(11.5, Sight::kUnreachable).unreachable);  // counts from here
  CHECK_FALSE(watch.At(12, Sight::kReachable).unreachable);
  CHECK_FALSE(watch.At(12.5, Sight::kUnreachable).unreachable);
  const auto lost = watch.At(13.5, Sight::kUnreachable);
  CHECK(lost.unreachable);
  CHECK_FALSE(lost.gives_up_flows);
  CHECK(watch.next() == absl::Seconds(15.5));
  CHECK_FALSE(watch.At(15.4, Sight::kNotKnownYet).gives_up_flows);
  CHECK(watch.At(15.5, Sight::kNotKnownYet).gives_up_flows);
  // Back: its flows have a way at once, new ones a second later.
  const auto back = watch.At(20, Sight::kReachable);
  CHECK(back.unreachable);
  CHECK_FALSE(back.gives_up_flows);
  CHECK(watch.next() == absl::Seconds(21));
  CHECK_FALSE(watch.At(21, Sight::kReachable).unreachable);
}

TEST_CASE("who flaps waits longer each time, and is forgiven in the end") {
  Watch watch;
  double now = 0;
  watch.At(now, Sight::kReachable);
  std::vector<double> waits;
  for (int i = 0; i < 8; ++i) {
    watch.At(now += 100.0 * (i == 0) + 2, Sight::kUnreachable);
    REQUIRE(watch.At(now += 1, Sight::kUnreachable).unreachable);
    watch.At(now, Sight::kReachable);
    waits.push_back(absl::ToDoubleSeconds(watch.next()) - now);
    CHECK(watch.At(now + waits.back() - 0.01, Sight::kReachable).unreachable);
    REQUIRE_FALSE(watch.At(now += waits.back(), Sight::kReachable).unreachable);
  }
  const std::vector<double> expected = {1, 2, 4, 8, 16, 30, 30, 30};
  for (size_t i = 0; i < waits.size(); ++i) CHECK(waits[i] == Approx(expected[i]));
  watch.At(now += 61, Sight::kUnreachable);
  watch.At(now += 1, Sight::kUnreachable);
  watch.At(now, Sight::kReachable);
  CHECK(absl::ToDoubleSeconds(watch.next()) - now == Approx(1));
}

TEST_CASE("verdicts are of address and delivery") {
  Reachability reachability;
  const IpAddress address = *IpAddress::Parse("10.0.0.1");
  Delivery ipip;
  ipip.encapsulation = channel::Encapsulation::kIpip;
  reachability.BeginRound(absl::Seconds(5));
  CHECK(reachability.See(address, {}, Sight::kUnreachable));
  CHECK_FALSE(reachability.See(address, ipip, Sight::kReachable));
  reachability.EndRound();
  reachability.BeginRound(absl::Seconds(6));
  CHECK(reachability.See(address, {}, Sight::kNotKnownYet));
  reachability.EndRound();
  reachability.BeginRound(absl::Seconds(7));
  reachability.EndRound();  // forgotten
  reachability.BeginRound(absl::Seconds(8));
  CHECK_FALSE(reachability.See(address, {}, Sight::kNotKnownYet));
}

void LoseWay(Bench* bench, int i, const char* problem = "eth1 is down", bool pending = false) {
  ResolvedNextHop& hop = bench->next_hops.at(*IpAddress::Parse(Bench::Address(i)));
  hop.problem = problem;
  hop.pending = pending;
}

TEST_CASE("an unreachable backend has no share, and loses its flows if that lasts") {
  Bench bench(4);
  bench.Compile();
  LoseWay(&bench, 2);
  Compiled compiled = bench.Compile();
  CHECK(compiled.backends.at(Bench::Key(2)).share == Approx(0.25).margin(0.01));
  CHECK(compiled.next_step == bench.steady_now + Reachability::kDownAfter);
  bench.steady_now = compiled.next_step;
  compiled = bench.Compile();
  const CompiledBackend lost = compiled.backends.at(Bench::Key(2));  // a copy: it outlives them
  CHECK(lost.share == 0);
  CHECK(lost.unreachable);
  CHECK(lost.next_hop == "eth1 is down");
  CHECK(compiled.tables.backends.at(lost.index).keeps_known_flows == 1);
  CHECK_FALSE(compiled.pools.at("web").failed_open);
  CHECK_FALSE(compiled.pools.at("web").none_reachable);
  bench.steady_now = compiled.next_step;
  compiled = bench.Compile();
  CHECK(compiled.tables.backends.at(lost.index).keeps_known_flows == 0);
  // A turn of somebody's health changes nothing about it.
  bench.health[Bench::Key(1)] = HealthState::kUnhealthy;
  bench.UpdateHealth(&compiled);
  CHECK(compiled.backends.at(Bench::Key(2)).share == 0);
  CHECK(compiled.backends.at(Bench::Key(1)).share == 0);
  CHECK(compiled.backends.at(Bench::Key(3)).share == Approx(0.5).margin(0.01));
}

void FindWay(Bench* bench, int i) { LoseWay(bench, i, ""); }

// Whether the flows of the first so many backends stay, `after` from the last compilation on.
std::vector<bool> Keeps(Bench* bench, int count, absl::Duration after) {
  bench->steady_now += after;
  const Compiled compiled = bench->Compile();
  std::vector<bool> keeps;
  for (int i = 1; i <= count; ++i) {
    const auto index = bench->registry.records().at(Bench::Key(i)).index;
    keeps.push_back(compiled.tables.backends.at(index).keeps_known_flows == 1);
  }
  return keeps;
}

TEST_CASE("whoever has no way gives its flows up, also if it is held for its probes") {
  Bench bench(3);
  bench.health[Bench::Key(2)] = HealthState::kUnhealthy;
  if (GENERATE(false, true)) {
    bench.kept.insert(Bench::Key(2));
  } else {
    bench.pool()->set_unhealthy_keeps_flows(true);
  }
  CHECK(Keeps(&bench, 3, absl::Seconds(0)) == std::vector<bool>{true, true, true});
  LoseWay(&bench, 2);
  Keeps(&bench, 3, absl::Seconds(1));
  CHECK(Keeps(&bench, 3, absl::Seconds(5)) == std::vector<bool>{true, false, true});
}

TEST_CASE("flows stay with those who have no way if only a dead backend could take them") {
  Bench bench(3);
  bench.health[Bench::Key(3)] = HealthState::kUnhealthy;
  bench.Compile();
  LoseWay(&bench, 1);
  LoseWay(&bench, 2);
  Keeps(&bench, 3, absl::Seconds(0));
  Keeps(&bench, 3, absl::Seconds(1));
  CHECK(Keeps(&bench, 2, absl::Seconds(20)) == std::vector<bool>{true, true});
  bench.health[Bench::Key(3)] = HealthState::kHealthy;
  Keeps(&bench, 3, absl::Seconds(0));
  CHECK(Keeps(&bench, 3, absl::Seconds(20)) == std::vector<bool>{false, false, true});
}

TEST_CASE("after an outage of all, those who come back later keep their known flows") {
  using Kept = std::vector<bool>;
  Bench bench(4);
  LoseWay(&bench, 4);  // long dead
  bench.Compile();
  CHECK(Keeps(&bench, 4, absl::Seconds(60)) == Kept{true, true, true, false});
  const bool lingers = GENERATE(false, true);
  if (lingers) bench.Remove(2);
  LoseWay(&bench, 2);
  Keeps(&bench, 4, absl::Seconds(0));
  Keeps(&bench, 4, absl::Seconds(1));
  LoseWay(&bench, 1);
  LoseWay(&bench, 3);
  Keeps(&bench, 4, absl::Seconds(4));  // 2 has given its flows up by now
  Keeps(&bench, 4, absl::Seconds(1));
  CHECK(Keeps(&bench, 4, absl::Seconds(20)) == Kept{true, true, true, true});
  FindWay(&bench, 3);
  Keeps(&bench, 4, absl::Seconds(0));
  CHECK(Keeps(&bench, 4, Reachability::kFirstReturn) == Kept{true, true, true, false});
  FindWay(&bench, 1);
  CHECK(Keeps(&bench, 4, Reachability::kOutagePatience - absl::Seconds(1)) ==
        Kept{true, true, true, false});
  CHECK(Keeps(&bench, 4, absl::Seconds(1)) == Kept{true, false, true, false});
  // Another loss is one of its own.
  Keeps(&bench, 4, absl::Seconds(60));
  LoseWay(&bench, 3);
  Keeps(&bench, 4, absl::Seconds(0));
  CHECK(Keeps(&bench, 4, absl::Seconds(2.9)) == Kept{true, false, true, false});
  CHECK(Keeps(&bench, 4, absl::Seconds(0.1)) == Kept{true, false, false, false});
}

TEST_CASE("who is removed or gets another name amid an outage keeps what it had") {
  using Kept = std::vector<bool>;
  Bench bench(3);
  bench.Compile();
  for (int i = 1; i <= 3; ++i) LoseWay(&bench, i);
  Keeps(&bench, 3, absl::Seconds(0));
  Keeps(&bench, 3, absl::Seconds(1));
  CHECK(Keeps(&bench, 3, absl::Seconds(30)) == Kept{true, true, true});
  const bool renamed = GENERATE(false, true);
  const bool amid = GENERATE(true, false);  // or just after the first is back
  const auto change = [&] {
    if (!renamed) return bench.Remove(2);
    bench.pool()->set_name("shop");
    bench.config.mutable_vips(0)->set_pool("shop");
    for (int i = 1; i <= 3; ++i) {
      bench.health[absl::StrCat("shop/web-", i, "/", Bench::Address(i))] = HealthState::kHealthy;
    }
  };
  const auto keeps = [&](absl::Duration after) {
    bench.steady_now += after;
    const Compiled compiled = bench.Compile();
    for (const auto& [key, record] : bench.registry.records()) {
      if (record.address == *IpAddress::Parse(Bench::Address(2)))
        return compiled.tables.backends.at(record.index).keeps_known_flows == 1;
    }
    return false;
  };
  if (amid) change();
  CHECK(keeps(absl::Seconds(5)));
  FindWay(&bench, 1);
  CHECK(keeps(absl::Seconds(0)));
  CHECK(keeps(Reachability::kFirstReturn));
  if (!amid) change();
  CHECK(keeps(Reachability::kOutagePatience - absl::Seconds(1)));
  CHECK_FALSE(keeps(absl::Seconds(1)));
}

TEST_CASE("l2 to a backend behind a router: share 0 from the first, whatever its gateway does") {
  Bench bench(4);
  ResolvedNextHop& hop = bench.next_hops.at(*IpAddress::Parse(Bench::Address(4)));
  hop.on_link = false;
  hop.gateway = *IpAddress::Parse("10.0.0.200");
  const bool pending = GENERATE(false, true);
  if (pending) LoseWay(&bench, 4, "10.0.0.200 on eth1 is being resolved", true);
  const Compiled compiled = bench.Compile();
  CHECK(compiled.backends.at(Bench::Key(4)).share == 0);
  CHECK(compiled.backends.at(Bench::Key(4)).next_hop ==
        "10.0.0.4 is not on a segment of this host (its route goes via 10.0.0.200): l2 cannot "
        "reach it");
  CHECK(compiled.backends.at(Bench::Key(1)).share == Approx(1.0 / 3).margin(0.01));
}

TEST_CASE("a port that is gone is no way, although an interface has its name") {
  Bench bench(2);
  bench.Compile();
  bench.port.kernel_interface[0] = 0;
  Compiled compiled = bench.Compile();
  CHECK(compiled.backends.at(Bench::Key(1)).next_hop == "port eth1 is gone");
  bench.steady_now = compiled.next_step;
  compiled = bench.Compile();
  CHECK(compiled.backends.at(Bench::Key(1)).unreachable);
  CHECK(compiled.pools.at("web").none_reachable);
}

TEST_CASE("what is not known yet moves no slot") {
  Bench bench(3);
  SECTION("a neighbour that is being resolved again") {
    bench.Compile();
    LoseWay(&bench, 2, "10.0.0.2 on eth1 is being resolved", true);
  }
  SECTION("the data plane's ports") { bench.has_ports = false; }
  bench.Compile();
  bench.steady_now += absl::Hours(1);
  const Compiled compiled = bench.Compile();
  CHECK(compiled.backends.at(Bench::Key(2)).share == Approx(1.0 / 3).margin(0.01));
  CHECK_FALSE(compiled.backends.at(Bench::Key(2)).unreachable);
}

TEST_CASE("a backend whose lookup never gets an answer has no share in the end") {
  Bench bench(3);
  LoseWay(&bench, 2, "10.0.0.2: route lookup: Operation not permitted", true);
  Compiled compiled = bench.Compile();
  CHECK(compiled.backends.at(Bench::Key(2)).share == Approx(1.0 / 3).margin(0.01));
  CHECK(compiled.next_step == bench.steady_now + Reachability::kFirstPatience);
  bench.steady_now = compiled.next_step;
  compiled = bench.Compile();
  CHECK(compiled.backends.at(Bench::Key(2)).share == 0);
  CHECK(compiled.backends.at(Bench::Key(2)).unreachable);
  CHECK(compiled.backends.at(Bench::Key(2)).next_hop ==
        "10.0.0.2: route lookup: Operation not permitted");
}

TEST_CASE("guards: who cannot be reached never takes flows while somebody can") {
  Bench bench(4);
  const auto shares = [&](const Compiled& compiled) {
    std::vector<bool> has;
    for (int i = 1; i <= 4; ++i) has.push_back(compiled.backends.at(Bench::Key(i)).share > 0);
    return has;
  };
  SECTION("all that can be reached are unhealthy: open for these") {
    LoseWay(&bench, 1);
    LoseWay(&bench, 2);
    bench.health[Bench::Key(3)] = bench.health[Bench::Key(4)] = HealthState::kUnhealthy;
    const Compiled compiled = bench.Compile();
    CHECK(shares(compiled) == std::vector<bool>{false, false, true, true});
    CHECK(compiled.pools.at("web").failed_open);
  }
  SECTION("fail_open_below counts those that can be reached") {
    bench.pool()->set_fail_open_below(60);
    LoseWay(&bench, 1);
    LoseWay(&bench, 2);
    Compiled compiled = bench.Compile();
    CHECK(shares(compiled) == std::vector<bool>{false, false, true, true});
    CHECK_FALSE(compiled.pools.at("web").failed_open);
    bench.health[Bench::Key(3)] = HealthState::kUnhealthy;
    compiled = bench.Compile();
    CHECK(shares(compiled) == std::vector<bool>{false, false, true, true});
    CHECK(compiled.pools.at("web").failed_open);
  }
  SECTION("a backup that can be reached serves") {
    bench.backend(4)->set_backup(true);
    for (int i = 1; i <= 3; ++i) LoseWay(&bench, i);
    const Compiled compiled = bench.Compile();
    CHECK(shares(compiled) == std::vector<bool>{false, false, false, true});
    CHECK(compiled.pools.at("web").backups_serve);
  }
  SECTION("nobody can be reached: nothing moves, all flows wait") {
    const Compiled before = bench.Compile();
    for (int i = 1; i <= 4; ++i) LoseWay(&bench, i);
    bench.Compile();
    bench.steady_now += absl::Seconds(1);
    bench.Compile();
    bench.steady_now += absl::Seconds(10);
    const Compiled compiled = bench.Compile();
    CHECK(compiled.pools.at("web").none_reachable);
    CHECK(compiled.backends.at(Bench::Key(1)).unreachable);
    CHECK(compiled.tables.pools.at(0).slots == before.tables.pools.at(0).slots);
    CHECK(compiled.tables.backends.at(0).keeps_known_flows == 1);
  }
}

}  // namespace
}  // namespace guideway
