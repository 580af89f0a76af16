// Who is in which table: settling, fail open, drain, removal, indices; and minimal differences.
#include "controlplane/compiler/compiler.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "tests/unit/controlplane/compiler_bench.h"

namespace guideway {
namespace {

using channel::MessageType;

uint32_t SlotsOf(const Compiled& compiled, uint16_t index) {
  uint32_t count = 0;
  for (const channel::MaglevSlot& slot : *compiled.tables.pools.at(0).slots) {
    count += slot.current == index;
  }
  return count;
}

TEST_CASE("a healthy pool: every backend has its share, VIP and next hops refer to each other") {
  Bench bench(3);
  const Compiled compiled = bench.Compile();
  double sum = 0;
  for (int i = 1; i <= 3; ++i) {
    const CompiledBackend& view = compiled.backends.at(Bench::Key(i));
    CHECK(view.share == Approx(1.0 / 3).margin(0.01));
    CHECK(view.next_hop == absl::StrCat("eth1 02:00:00:00:01:0", i));
    sum += view.share;
    const auto& body = compiled.tables.backends.at(view.index);
    CHECK(body.keeps_known_flows == 1);
    CHECK(compiled.tables.next_hops.at(body.next_hop).destination_mac.bytes[5] == i);
  }
  CHECK(sum == Approx(1));
  CHECK(compiled.tables.vips.at(0).pool == compiled.pools.at("web").index);
  for (const auto& slot : *compiled.tables.pools.at(0).slots) CHECK(slot.current == slot.previous);
}

TEST_CASE("while a pool settles no slot moves; then health counts") {
  Bench bench(3);
  bench.settling = true;
  bench.health[Bench::Key(1)] = HealthState::kUnknown;
  bench.health[Bench::Key(2)] = HealthState::kUnhealthy;
  const Compiled settling = bench.Compile();
  CHECK(SlotsOf(settling, 0) > 0);
  CHECK(SlotsOf(settling, 1) > 0);
  CHECK(settling.tables.backends.at(1).keeps_known_flows == 1);

  bench.settling = false;
  const Compiled settled = bench.Compile();
  CHECK(SlotsOf(settled, 0) == 0);  // unknown: waits for its verdict
  CHECK(SlotsOf(settled, 1) == 0);
  CHECK(SlotsOf(settled, 2) == kSlots);
  CHECK(settled.tables.backends.at(0).keeps_known_flows == 1);
  CHECK(settled.tables.backends.at(1).keeps_known_flows == 0);
}

TEST_CASE("a slot remembers its owner before the last change") {
  Bench bench(3);
  const Compiled before = bench.Compile();
  bench.health[Bench::Key(2)] = HealthState::kUnhealthy;
  const Compiled after = bench.Compile();
  for (uint32_t i = 0; i < kSlots; ++i) {
    const auto& old_slot = (*before.tables.pools.at(0).slots)[i];
    const auto& new_slot = (*after.tables.pools.at(0).slots)[i];
    REQUIRE(new_slot.current != 1);
    REQUIRE(new_slot.previous == old_slot.current);
  }
  bench.health[Bench::Key(2)] = HealthState::kHealthy;
  const Compiled back = bench.Compile();
  CHECK(back.pools.at("web").digest->value() == before.pools.at("web").digest->value());
  for (uint32_t i = 0; i < kSlots; ++i) {
    const auto& gone = (*after.tables.pools.at(0).slots)[i];
    const auto& now = (*back.tables.pools.at(0).slots)[i];
    if (now.current != gone.current) REQUIRE(now.previous == gone.current);
  }
}

TEST_CASE("drained, disabled and weightless backends get no new flows") {
  Bench bench(4);
  bench.backend(1)->set_state(v1::DRAINED);
  bench.backend(2)->set_state(v1::DISABLED);
  bench.backend(3)->set_weight(0);
  const Compiled compiled = bench.Compile();
  CHECK(SlotsOf(compiled, 3) == kSlots);
  CHECK(compiled.tables.backends.at(0).keeps_known_flows == 1);
  CHECK(compiled.tables.backends.at(1).keeps_known_flows == 0);
  CHECK(compiled.tables.backends.at(2).keeps_known_flows == 1);
  CHECK_FALSE(compiled.pools.at("web").failed_open);
}

TEST_CASE("a pool fails open below its mark, counted over backends with a verdict") {
  struct Row {
    uint32_t below;
    int unhealthy, unknown;  // of ten
    bool open;
  };
  const auto row = GENERATE(values<Row>({
      {0, 9, 0, false},
      {0, 10, 0, true},
      {0, 9, 1, true},  // nobody is healthy
      {40, 6, 0, false},
      {40, 7, 0, true},
      {40, 1, 8, false},  // one of two
      {60, 1, 8, true},
      {100, 1, 0, true},
      {100, 0, 9, false},
  }));
  INFO(row.below << " %, " << row.unhealthy << " unhealthy, " << row.unknown << " unknown");
  Bench bench(10);
  bench.pool()->set_fail_open_below(row.below);
  for (int i = 1; i <= row.unhealthy; ++i) bench.health[Bench::Key(i)] = HealthState::kUnhealthy;
  for (int i = 10; i > 10 - row.unknown; --i) bench.health[Bench::Key(i)] = HealthState::kUnknown;
  const Compiled compiled = bench.Compile();
  CHECK(compiled.pools.at("web").failed_open == row.open);
  const int takers = row.open ? 10 : 10 - row.unhealthy - row.unknown;
  CHECK(std::count_if(compiled.backends.begin(), compiled.backends.end(),
                      [](const auto& item) { return item.second.share > 0; }) == takers);
}

TEST_CASE("a pool without a healthy backend fails open, for the enabled ones") {
  Bench bench(3);
  for (int i = 1; i <= 3; ++i) bench.health[Bench::Key(i)] = HealthState::kUnhealthy;
  bench.backend(3)->set_state(v1::DISABLED);
  const Compiled compiled = bench.Compile();
  CHECK(compiled.pools.at("web").failed_open);
  CHECK(SlotsOf(compiled, 0) + SlotsOf(compiled, 1) == kSlots);
  CHECK(compiled.tables.backends.at(0).keeps_known_flows == 1);
  CHECK(compiled.tables.backends.at(2).keeps_known_flows == 0);
}

TEST_CASE("an ejected backend gets no new flows and keeps its own, unless nobody else is left") {
  Bench bench(3);
  bench.ejected = {Bench::Key(2)};
  Compiled compiled = bench.Compile();
  CHECK(SlotsOf(compiled, 1) == 0);
  CHECK(SlotsOf(compiled, 0) + SlotsOf(compiled, 2) == kSlots);
  CHECK(compiled.tables.backends.at(1).keeps_known_flows == 1);
  CHECK(compiled.backends.at(Bench::Key(2)).share == 0);
  // Better an ejected one than an unhealthy one.
  bench.health[Bench::Key(1)] = bench.health[Bench::Key(3)] = HealthState::kUnhealthy;
  compiled = bench.Compile();
  CHECK(SlotsOf(compiled, 1) == kSlots);
  CHECK_FALSE(compiled.pools.at("web").failed_open);
  // If its probes fail as well it loses its flows.
  bench.health[Bench::Key(1)] = HealthState::kHealthy;
  bench.health[Bench::Key(2)] = HealthState::kUnhealthy;
  compiled = bench.Compile();
  CHECK(SlotsOf(compiled, 0) == kSlots);
  CHECK(compiled.tables.backends.at(1).keeps_known_flows == 0);
}

TEST_CASE("an empty pool's slots are nobody's") {
  Bench bench(0);
  const Compiled compiled = bench.Compile();
  CHECK(SlotsOf(compiled, kNoBackend) == kSlots);
}

TEST_CASE("a removed backend lingers, then goes; its index comes back with a new incarnation") {
  Bench bench(3);
  bench.Compile();
  bench.Remove(2);
  const Compiled removed = bench.Compile();
  CHECK(SlotsOf(removed, 1) == 0);
  REQUIRE(removed.tables.backends.contains(1));
  CHECK(removed.tables.backends.at(1).keeps_known_flows == 1);
  CHECK(removed.tables.backends.at(1).next_hop != channel::kNoNextHop);

  SECTION("coming back in time it is the same") {
    bench.steady_now += absl::Minutes(59);
    bench.ObserveFlows(0);
    bench.Add(2);
    const Compiled back = bench.Compile();
    CHECK(back.tables.backends.at(1).incarnation == 1000);
    CHECK(SlotsOf(back, 1) > 0);
  }
  SECTION("later it is gone, and no slot names it") {
    bench.FinishFlows();
    const Compiled gone = bench.Compile();
    CHECK_FALSE(gone.tables.backends.contains(1));
    for (const auto& slot : *gone.tables.pools.at(0).slots) REQUIRE(slot.previous != 1);
    bench.Add(4);
    const Compiled reused = bench.Compile();
    CHECK(reused.backends.at(Bench::Key(4)).index == 1);
    CHECK(reused.tables.backends.at(1).incarnation == 1001);
    for (const auto& slot : *reused.tables.pools.at(0).slots) REQUIRE(slot.previous != 1);
  }
  SECTION("gone and its index given away in one step: slots forget the old owner too") {
    bench.FinishFlows();
    bench.Add(4);
    const Compiled reused = bench.Compile();
    REQUIRE(reused.backends.at(Bench::Key(4)).index == 1);
    CHECK(reused.tables.backends.at(1).incarnation == 1001);
    for (const auto& slot : *reused.tables.pools.at(0).slots) REQUIRE(slot.previous != 1);
  }
  SECTION("unhealthy when removed: keeps nothing") {
    bench.health[Bench::Key(3)] = HealthState::kUnhealthy;
    bench.Compile();
    bench.Remove(2);
    CHECK(bench.Compile().tables.backends.at(2).keeps_known_flows == 0);
  }
}

TEST_CASE("next hops: why there is none is said in words, and moves no slot at once") {
  Bench bench(2);
  const Compiled before = bench.Compile();
  ResolvedNextHop& hop = bench.next_hops.at(*IpAddress::Parse(Bench::Address(1)));
  SECTION("behind a gateway") {
    hop.on_link = false;
    hop.gateway = *IpAddress::Parse("10.0.0.254");
    const Compiled after = bench.Compile();
    CHECK(after.backends.at(Bench::Key(1)).next_hop ==
          "10.0.0.1 is not on a segment of this host (its route goes via 10.0.0.254): l2 cannot "
          "reach it");
    CHECK(after.tables.backends.at(0).next_hop == channel::kNoNextHop);
    CHECK(after.tables.pools.at(0).slots == before.tables.pools.at(0).slots);
    bench.pool()->set_encapsulation(v1::IPIP);
    const Compiled tunnel = bench.Compile();
    CHECK(tunnel.tables.backends.at(0).next_hop != channel::kNoNextHop);
    CHECK(tunnel.tables.backends.at(0).outer_source.ToString() == "10.0.255.254");
  }
  SECTION("not through a port") {
    hop.interface = "eth7";
    CHECK(bench.Compile().backends.at(Bench::Key(1)).next_hop ==
          "eth7 is not a port of the data plane");
  }
  SECTION("on a VLAN") {
    hop.vlan = 5;
    const Compiled after = bench.Compile();
    const uint32_t index = after.tables.backends.at(0).next_hop;
    CHECK(after.tables.next_hops.at(index).vlan == 5);
    CHECK(after.backends.at(Bench::Key(1)).next_hop == "eth1 VLAN 5 02:00:00:00:01:01");
  }
  SECTION("a static gateway takes all") {
    v1::Port* port = bench.config.add_ports();
    port->set_name("eth1");
    port->mutable_static_gateway()->set_mac("02:00:00:00:00:99");
    port->mutable_static_gateway()->set_source_ipv4("10.9.9.9");
    port->mutable_static_gateway()->set_vlan(4094);
    bench.next_hops.clear();
    bench.pool()->set_encapsulation(v1::IPIP);
    const Compiled after = bench.Compile();
    REQUIRE(after.tables.next_hops.size() == 1);
    CHECK(after.backends.at(Bench::Key(2)).next_hop == "eth1 VLAN 4094 02:00:00:00:00:99");
    CHECK(after.tables.next_hops.at(after.tables.backends.at(1).next_hop).source_mac ==
          bench.port.mac);
    CHECK(after.tables.next_hops.at(after.tables.backends.at(1).next_hop).vlan == 4094);
    CHECK(after.tables.backends.at(1).outer_source.ToString() == "10.9.9.9");
  }
}

TEST_CASE("a VIP's flow timeouts go with it; what it leaves out is 0") {
  Bench bench(3);
  v1::Vip* vip = bench.config.mutable_vips(0);
  const Tables before = bench.Compile().tables;
  CHECK(before.vips.at(0).established_s == 0);
  vip->mutable_flow_timeouts()->mutable_established()->set_seconds(7 * 3600);
  vip->mutable_flow_timeouts()->mutable_closing()->set_nanos(500000000);
  vip->mutable_flow_timeouts()->mutable_half_closed()->set_seconds(90);
  const Tables after = bench.Compile().tables;
  CHECK(after.vips.at(0).established_s == 7 * 3600);
  CHECK(after.vips.at(0).closing_s == 1);
  CHECK(after.vips.at(0).half_open_s == 0);
  CHECK(after.vips.at(0).half_closed_s == 90);
  CHECK(after.globals.half_closed_s == 120);
  CHECK(Difference(&before, after).size() == 1);
}

TEST_CASE("differences are minimal") {
  Bench bench(3);
  const Tables first = bench.Compile().tables;
  CHECK(TypesOf(Difference(nullptr, first)).size() == 1 + 3 + 3 + 1 + 1);
  CHECK(Difference(&first, bench.Compile().tables).empty());
  SECTION("a neighbour's new MAC address is one message") {
    bench.next_hops.begin()->second.destination_mac.bytes[1] = 7;
    CHECK(TypesOf(Difference(&first, bench.Compile().tables)) ==
          std::vector<MessageType>{MessageType::kSetNextHop});
  }
  SECTION("an unhealthy backend is the backend and the pool") {
    bench.health[Bench::Key(1)] = HealthState::kUnhealthy;
    CHECK(TypesOf(Difference(&first, bench.Compile().tables)) ==
          std::vector<MessageType>{MessageType::kSetBackend, MessageType::kSetPool});
  }
  SECTION("a drain is the pool alone") {
    bench.backend(1)->set_state(v1::DRAINED);
    CHECK(TypesOf(Difference(&first, bench.Compile().tables)) ==
          std::vector<MessageType>{MessageType::kSetPool});
  }
  SECTION("another scheduler, or another prefix length, is the pool alone") {
    const auto pool_only = std::vector<MessageType>{MessageType::kSetPool};
    const std::pair<v1::Scheduler, channel::Scheduler> schedulers[] = {
        {v1::MAGLEV_SOURCE, channel::Scheduler::kMaglevSource},
        {v1::WEIGHTED_ROUND_ROBIN, channel::Scheduler::kWeightedRoundRobin},
        {v1::WEIGHTED_LEAST_CONNECTIONS, channel::Scheduler::kWeightedLeastConnections},
        {v1::TWO_CHOICES, channel::Scheduler::kTwoChoices}};
    for (const auto& [configured, compiled] : schedulers) {
      bench.pool()->set_scheduler(configured);
      const auto changes = Difference(&first, bench.Compile().tables);
      CHECK(TypesOf(changes) == pool_only);
      CHECK(changes[0].request.body.pool.scheduler == compiled);
    }
    bench.pool()->set_scheduler(v1::MAGLEV_SOURCE);
    bench.pool()->set_source_prefix_length_ipv4(32);
    bench.pool()->set_source_prefix_length_ipv6(64);
    const Tables by_source = bench.Compile().tables;
    bench.pool()->set_source_prefix_length_ipv4(24);
    const auto changes = Difference(&by_source, bench.Compile().tables);
    CHECK(TypesOf(changes) == pool_only);
    CHECK(changes[0].request.body.pool.source_bits_ipv4 == 24);
    CHECK(changes[0].request.body.pool.source_bits_ipv6 == 64);
    bench.pool()->set_source_prefix_length_ipv4(32);
    bench.pool()->set_source_prefix_length_ipv6(48);
    CHECK(TypesOf(Difference(&by_source, bench.Compile().tables)) == pool_only);
  }
  SECTION("everything gone") {
    bench.config.clear_vips();
    bench.config.clear_pools();
    const Tables lingering = bench.Compile().tables;
    CHECK(TypesOf(Difference(&first, lingering)) ==
          std::vector<MessageType>{MessageType::kDeleteVip, MessageType::kDeletePool});
    bench.FinishFlows();
    CHECK(Difference(&lingering, bench.Compile().tables).size() == 6);
  }
}

TEST_CASE("time to build a pool of 65537 slots", "[.][measure]") {
  Bench bench(1000, 65537);
  bench.Compile();
  bench.health[Bench::Key(1)] = HealthState::kUnhealthy;
  const auto start = std::chrono::steady_clock::now();
  bench.Compile();
  const auto took = std::chrono::steady_clock::now() - start;
  std::cout << "1000 backends, 65537 slots, one backend lost: "
            << std::chrono::duration<double, std::milli>(took).count() << " ms\n";
}

TEST_CASE("a pool that no VIP leads to any more keeps no flows on its dead backends") {
  Bench bench(2);
  bench.health[Bench::Key(1)] = bench.health[Bench::Key(2)] = HealthState::kUnhealthy;
  const auto keeps = [&] { return bench.Compile().tables.backends.at(0).keeps_known_flows == 1; };
  CHECK(keeps());  // it fails open
  bench.config.clear_vips();
  CHECK_FALSE(keeps());
  bench.kept.insert(Bench::Key(1));
  CHECK(keeps());
}

}  // namespace
}  // namespace guideway
