// Who gets new flows, scheduler by scheduler: shares against weights, loads against the flow
// table's counts, and what is left to the Maglev table.
#include "dataplane/path/schedulers.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "tests/unit/path/schedulers_fixture.h"

namespace guideway {
namespace {

constexpr uint8_t kSyn = kTcpSyn, kAck = kTcpAck;
constexpr Scheduler kWithState[] = {Scheduler::kWeightedRoundRobin,
                                    Scheduler::kWeightedLeastConnections, Scheduler::kTwoChoices};

TEST_CASE("maglev-source: all flows of a client go to the owner of the client's slot") {
  SchedulerWorld f(Scheduler::kMaglevSource);
  std::set<uint16_t> used;
  for (int client = 1; client < 100; ++client) {
    const std::string source = "192.0.2." + std::to_string(client);
    const uint16_t backend = f.Send({.source = source});
    used.insert(backend);
    for (uint16_t port = 1; port < 20; ++port) {
      REQUIRE(f.Send({.source = source, .source_port = port}) == backend);
      REQUIRE(f.Send({.source = source, .source_port = port, .protocol = IpProtocol::kUdp}) ==
              backend);
    }
    // Another node, or this one after it lost its flows, sends them to the same.
    f.flows.Clear(1);
    REQUIRE(f.Send({.source = source, .source_port = 7, .tcp_flags = kAck}) == backend);
  }
  CHECK(used.size() == 4);
}

TEST_CASE("maglev-source: only the leading bits count") {
  SchedulerWorld f(Scheduler::kMaglevSource);
  const auto backend_of = [&](const std::string& source) {
    const bool v4 = Address(source).IsIpv4();
    return f.Send({.source = source, .destination = v4 ? "198.51.100.1" : "2001:db8:a::1"});
  };
  const auto backends_of = [&](const std::string& begin, const std::string& end) {
    std::set<uint16_t> backends;
    for (int i = 1; i < 64; ++i) backends.insert(backend_of(begin + std::to_string(i) + end));
    return backends.size();
  };
  f.pools[0].source_bits_ipv4 = 24;
  CHECK(backends_of("192.0.2.", "") == 1);
  CHECK(backends_of("192.0.", ".7") == 4);
  CHECK(backends_of("2001:db8:1:1::", "") == 1);
  CHECK(backends_of("2001:db8:1:", "::1") == 4);
  f.pools[0].source_bits_ipv4 = 0;
  CHECK(backends_of("192.0.", ".7") == 1);
}

TEST_CASE("maglev-source: masks of every length") {
  const FlowHashKey key = FlowHashKey::FromSecret("masks");
  Pool pool{.scheduler = Scheduler::kMaglevSource};
  for (const std::string text : {"192.0.2.255", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"}) {
    const IpAddress address = Address(text);
    const int bits = address.IsIpv4() ? 32 : 128, first = 128 - bits;
    for (int length = 0; length <= bits; ++length) {
      (address.IsIpv4() ? pool.source_bits_ipv4 : pool.source_bits_ipv6) =
          static_cast<uint8_t>(length);
      const uint64_t hash = SourceHash(key, address, pool);
      for (int bit = 0; bit < bits; ++bit) {
        IpAddress other = address;
        other.bytes[(first + bit) / 8] ^= static_cast<uint8_t>(0x80 >> (first + bit) % 8);
        if (other.IsIpv4() != address.IsIpv4()) continue;
        CAPTURE(text, length, bit);
        REQUIRE((SourceHash(key, other, pool) == hash) == (bit >= length));
      }
    }
  }
}

TEST_CASE("weighted-round-robin: one round gives each backend exactly its slots") {
  for (const IpProtocol protocol : {IpProtocol::kTcp, IpProtocol::kUdp}) {
    SchedulerWorld f(Scheduler::kWeightedRoundRobin, {1, 2, 3, 10});
    const auto got = f.Flows(kSlots, protocol);
    for (const Candidate& candidate : f.candidates_) {
      CHECK(got.at(candidate.backend) == candidate.slots);
    }
    CHECK(got == f.Flows(kSlots, protocol));
  }
}

TEST_CASE("weighted-round-robin: any stretch is within two flows of the weights") {
  const std::vector<uint32_t> weights = {1, 2, 3, 10};
  SchedulerWorld f(Scheduler::kWeightedRoundRobin, weights);
  std::vector<uint16_t> order;
  for (int i = 0; i < 3000; ++i) order.push_back(f.Flow(f.next_port_++));
  for (const size_t length : {4u, 16u, 100u, 1000u}) {
    for (size_t begin = 0; begin + length <= order.size(); ++begin) {
      for (uint16_t i = 0; i < 4; ++i) {
        const auto got = std::count(&order[begin], &order[begin] + length, i);
        const double expected = static_cast<double>(length) * weights[i] / 16;
        REQUIRE(std::abs(static_cast<double>(got) - expected) <= 2);
      }
    }
  }
}

TEST_CASE("weighted-round-robin: a new table is gone on with where the old one was") {
  SchedulerWorld f(Scheduler::kWeightedRoundRobin, {1, 1, 1, 1});
  f.Flows(100);
  f.Weigh({1, 1, 0, 1});  // drained, unhealthy or disabled: owns no slots
  const auto got = f.Flows(300);
  CHECK(got.count(2) == 0);
  for (const uint16_t i : std::vector<uint16_t>{0, 1, 3})
    CHECK(std::abs(static_cast<int>(got.at(i)) - 100) <= 2);
}

TEST_CASE("weighted-least-connections: flows stand as the weights say, within one") {
  const std::vector<uint32_t> weights = {1, 2, 3, 10};
  SchedulerWorld f(Scheduler::kWeightedLeastConnections, weights);
  const auto got = f.Flows(1600);
  for (uint16_t i = 0; i < 4; ++i) {
    CHECK(f.flows.CountOf(i) == got.at(i));
    // Slots are the weights but for rounding: half a slot of 1021 is 0.8 flows of 1600.
    CHECK(std::abs(static_cast<double>(got.at(i)) - 100 * weights[i]) <= 2);
  }
  f.CheckCounts();
}

TEST_CASE("weighted-least-connections: who has fewer flows gets the next ones") {
  SchedulerWorld f(Scheduler::kWeightedLeastConnections);
  f.Weigh({1, 0, 0, 0});
  CHECK(f.Flows(100) == std::map<uint16_t, uint32_t>{{0, 100}});
  f.Weigh({1, 1, 1, 1});
  const auto got = f.Flows(300);
  CHECK(got == std::map<uint16_t, uint32_t>{{1, 100}, {2, 100}, {3, 100}});
}

TEST_CASE("weighted-least-connections: a pool that is too large to compare all evens out, too") {
  constexpr uint16_t kMany = 1000;
  SchedulerWorld f(Scheduler::kWeightedLeastConnections);
  std::vector<Candidate> many;
  std::vector<Backend> backends(kMany);
  for (uint16_t i = 0; i < kMany; ++i) {
    many.push_back({.slots = 1, .backend = i});
    backends[i] = f.backends[0];
    backends[i].id = 1u << 16 | i;
    backends[i].next_hop.port = i;
  }
  f.tables.backends = backends;
  f.pools[0].candidates = many;
  f.Flows(20 * kMany);
  uint32_t least = ~0u, most = 0;
  for (uint16_t i = 0; i < kMany; ++i) {
    least = std::min(least, f.flows.CountOf(i));
    most = std::max(most, f.flows.CountOf(i));
  }
  CHECK(least >= 18);
  CHECK(most <= 22);
}

TEST_CASE("two-choices: the lesser of two slots' owners; far more even than one choice") {
  const std::vector<uint32_t> equal(16, 1);
  SchedulerWorld two(Scheduler::kTwoChoices, equal), one(Scheduler::kMaglev, equal);
  const auto most = [](SchedulerWorld& f) {
    uint32_t count = 0;
    for (const auto& [backend, flows] : f.Flows(1600)) count = std::max(count, flows);
    return count;
  };
  CHECK(most(two) <= 105);
  CHECK(most(one) >= 110);

  SchedulerWorld weighted(Scheduler::kTwoChoices, {1, 2, 3, 10});
  weighted.Flows(1600);
  const uint32_t weights[] = {1, 2, 3, 10};
  for (uint16_t i = 0; i < 4; ++i) {
    CHECK(weighted.flows.CountOf(i) == Approx(100 * weights[i]).epsilon(0.1));
  }
  weighted.CheckCounts();
}

TEST_CASE("a backend without slots gets nothing new but keeps its flows") {
  for (const Scheduler scheduler : kWithState) {
    SchedulerWorld f(scheduler);
    std::map<uint16_t, uint16_t> backend_of;
    for (uint16_t port = 1; port <= 100; ++port) backend_of[port] = f.Flow(port);
    f.Weigh({1, 0, 1, 1});
    CHECK(f.Flows(300).count(1) == 0);
    for (const auto& [port, backend] : backend_of) REQUIRE(f.Flow(port, kAck) == backend);
    // A connection that starts anew under known ports is a new one, though.
    for (const auto& [port, backend] : backend_of) {
      const uint16_t now = f.Flow(port);
      REQUIRE(now != 1);
      if (backend != 1) REQUIRE(now == backend);
    }
  }
}

TEST_CASE("nobody has slots") {
  for (const Scheduler scheduler : kWithState) {
    SchedulerWorld f(scheduler);
    f.Weigh({0, 0, 0, 0});
    const Packet& packet = f.Run({{}}).packets[0];
    CHECK(packet.verdict == Verdict::kDrop);
    CHECK(packet.drop_reason == DropReason::no_backend);
  }
}

TEST_CASE("one choice a flow: repeated SYNs, packets of one burst") {
  for (const Scheduler scheduler : kWithState) {
    SchedulerWorld f(scheduler);
    for (uint16_t port = 1; port <= 50; ++port) {
      const uint16_t backend = f.Flow(port);
      REQUIRE(f.Flow(port) == backend);
      f.Flows(3);  // the turn and the loads go on
      REQUIRE(f.Flow(port) == backend);
      REQUIRE(f.Flow(port, kAck) == backend);
    }
    const PacketSpec udp{.source_port = 9, .protocol = IpProtocol::kUdp};
    const PacketSpec syn{.source_port = 999}, ack{.source_port = 999, .tcp_flags = kAck};
    const Burst& burst = f.Run({udp, syn, udp, ack, udp, syn});
    for (const int i : {2, 4}) CHECK(burst.packets[i].backend == burst.packets[0].backend);
    for (const int i : {3, 5}) CHECK(burst.packets[i].backend == burst.packets[1].backend);
    CHECK(f.state.counted[Counter::flow_inserts] == 2);
    f.CheckCounts();
  }
}

TEST_CASE("what started elsewhere goes to the slot's owner") {
  for (const Scheduler scheduler : kWithState) {
    SchedulerWorld f(scheduler);
    for (uint16_t port = 1; port <= 100; ++port) {
      const PacketSpec data{.source_port = port, .tcp_flags = kAck};
      const uint16_t backend = f.Send(data);
      REQUIRE(backend == f.SlotOwner(data));
      const PacketSpec reset{
          .source = "192.0.2.9", .source_port = port, .tcp_flags = kTcpSyn | kTcpRst};
      if (f.Run({reset}).packets[0].verdict == Verdict::kForward) {
        REQUIRE(f.burst_.packets[0].transmit_port == f.SlotOwner(reset));
      }
    }
  }
}

TEST_CASE("what the flow table cannot take goes to the slot's owner, now and later") {
  for (const Scheduler scheduler : kWithState) {
    SchedulerWorld f(scheduler, {1, 1, 1, 1}, 8);
    for (uint16_t port = 1; port <= 200; ++port) {
      for (int packet = 0; packet < 2; ++packet) f.Flow(port, kAck);  // established: none gives way
    }
    uint32_t refused = 0;
    for (uint16_t port = 1000; port < 1100; ++port) {
      const PacketSpec syn{.source_port = port}, data{.source_port = port, .tcp_flags = kAck};
      const uint16_t backend = f.Send(syn);
      refused += f.state.counted[Counter::flow_insert_failures] == 1;
      REQUIRE(backend == f.SlotOwner(syn));
      REQUIRE(f.Send(data) == backend);
    }
    CHECK(refused == 100);
    f.CheckCounts();
  }
}

TEST_CASE("counts are exact while flows come, go, time out and are swept") {
  SchedulerWorld f(Scheduler::kWeightedLeastConnections, {1, 2, 3, 4}, 512);
  uint32_t seed = 1;
  const auto random = [&seed](uint32_t below) {
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
  };
  for (int step = 0; step < 3000; ++step) {
    const uint8_t flags[] = {kSyn, kSyn, kSyn, kAck, kTcpFin | kAck, kTcpRst};
    f.Run({{.source_port = static_cast<uint16_t>(random(1500)),
            .protocol = random(4) == 0 ? IpProtocol::kUdp : IpProtocol::kTcp,
            .tcp_flags = flags[random(6)]}});
    if (random(20) == 0) f.state.now_s += random(60);
    if (random(3) == 0) SweepFlows(f.tables, f.state);
    if (random(500) == 0) f.backends[random(4)].id += 1u << 16;  // the index is another's
    if (step % 50 == 0) f.CheckCounts();
  }
  f.CheckCounts();
  // A restarted worker counts what it finds.
  FlowTable again;
  bool kept = false;
  REQUIRE(again.Attach(f.flow_memory.get(), f.flow_bytes, &kept).ok());
  REQUIRE(kept);
  while (!again.counts_all()) {
    again.Sweep(
        3, f.state.now_s, [](BackendId) { return false; }, [](BackendId) {});
  }
  std::map<uint16_t, uint32_t> left;
  again.ForEach([&](uint64_t, BackendId id, FlowState, uint32_t) { ++left[BackendIndex(id)]; });
  for (uint16_t i = 0; i < 4; ++i) CHECK(again.CountOf(i) == left[i]);
  f.flows.Clear(7);
  f.CheckCounts();
}

TEST_CASE("the sweep forgets what timed out, and flows of an index's former backend") {
  SchedulerWorld f(Scheduler::kWeightedLeastConnections);
  f.Flows(200);
  for (uint16_t port = 1024; port < 1124; ++port) f.Flow(port, kAck);
  f.SweepAll();  // takes less time than half-open flows have
  uint32_t sum = 0;
  for (uint16_t i = 0; i < 4; ++i) sum += f.flows.CountOf(i);
  CHECK(sum == 200);
  f.state.now_s += f.tables.timeouts.half_open_s;
  f.SweepAll();
  sum = 0;
  for (uint16_t i = 0; i < 4; ++i) sum += f.flows.CountOf(i);
  CHECK(sum == 100);  // the established
  REQUIRE(f.flows.CountOf(1) > 0);
  const Backend removed = std::exchange(f.backends[1], {});  // it may come back under its id
  f.SweepAll();
  CHECK(f.flows.CountOf(1) > 0);
  f.backends[1] = removed;
  f.backends[1].id += 1u << 16;
  f.SweepAll();
  CHECK(f.flows.CountOf(1) == 0);
  f.CheckCounts();
  for (uint16_t port = 1024; port < 1124; ++port) f.Flow(port, kAck);  // found, or entered again
  f.CheckCounts();
}

TEST_CASE("a worker counts what it finds, and what comes meanwhile") {
  SchedulerWorld f(Scheduler::kMaglev);
  f.Flows(5000);
  bool kept = false;
  REQUIRE(f.flows.Attach(f.flow_memory.get(), f.flow_bytes, &kept).ok());  // as after a restart
  REQUIRE(kept);
  // Flows enter buckets that are counted already and others, and every step is right for its part.
  int steps = 0;
  while (!f.flows.counts_all()) {
    SweepFlows(f.tables, f.state);
    f.Flows(20);
    ++steps;
  }
  CHECK(steps == 65536 / 4 / 64);
  f.CheckCounts();
  CHECK(f.KnownFlows() == 5000 + 256 * 20);
}

}  // namespace
}  // namespace guideway
