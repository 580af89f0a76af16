// What is counted of a backend's flows besides its traffic: when each counter grows, once a flow
// where it is about flows, and that the sums over the backends are the totals.
#include "dataplane/path/flow_counting.h"

#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <vector>

#include "tests/unit/path/schedulers_fixture.h"

namespace guideway {
namespace {

constexpr uint8_t kSyn = kTcpSyn, kAck = kTcpAck, kRst = kTcpRst, kFin = kTcpFin;

// A pool of four backends whose counters and totals are kept over all packets.
struct CountingWorld : SchedulerWorld {
  explicit CountingWorld(uint64_t flow_capacity = 65536, Scheduler scheduler = Scheduler::kMaglev)
      : SchedulerWorld(scheduler, {1, 1, 1, 1}, flow_capacity), cells(channel::kMaxBackends) {
    state.backend_counters = cells.data();
  }
  // The backend that got the packet.
  uint16_t Packet(uint16_t port, uint8_t flags) {
    const uint16_t backend = Flow(port, flags);
    total += state.counted;
    return backend;
  }
  void Sweep() {
    state.counted = CounterValues{};
    SweepAll();
    total += state.counted;
    state.counted = CounterValues{};
  }
  uint64_t Of(uint16_t backend, BackendCounter counter) const {
    return cells[backend].values[static_cast<size_t>(counter)].load();
  }
  uint64_t Sum(BackendCounter counter) const {
    uint64_t sum = 0;
    for (const BackendCounterCell& cell : cells) sum += cell.values[static_cast<size_t>(counter)];
    return sum;
  }
  void CheckSums() const {
    for (size_t i = 0; i < kBackendCounterCount; ++i) {
      CAPTURE(kCounters[static_cast<size_t>(kBackendCounters[i])].name);
      REQUIRE(Sum(static_cast<BackendCounter>(i)) == total[kBackendCounters[i]]);
    }
  }

  std::vector<BackendCounterCell> cells;
  CounterValues total;
};

TEST_CASE("a SYN of a half-open flow is a retransmission, others are not") {
  CountingWorld f;
  const uint16_t backend = f.Packet(1, kSyn);
  CHECK(f.Sum(BackendCounter::syn_retransmissions) == 0);
  f.Packet(1, kSyn);
  f.Packet(1, kSyn);
  CHECK(f.Of(backend, BackendCounter::syn_retransmissions) == 2);
  f.Packet(1, kAck);
  f.Packet(1, kSyn);  // the port is used again
  CHECK(f.Of(backend, BackendCounter::syn_retransmissions) == 2);
  f.Packet(2, kSyn);  // another flow
  f.Packet(3, kSyn);
  f.state.now_s += f.tables.timeouts.half_open_s;
  f.Packet(3, kSyn);  // the former one has timed out: a new flow
  CHECK(f.Sum(BackendCounter::syn_retransmissions) == 2);
  // In one burst.
  f.Run({{.source_port = 9}, {.source_port = 9}});
  f.total += f.state.counted;
  CHECK(f.state.counted[Counter::syn_retransmissions] == 1);
  f.CheckSums();
}

TEST_CASE("a SYN that moves a half-open flow to another backend is no evidence against that one") {
  CountingWorld f;
  uint16_t port = 1;
  while (f.Packet(port, kSyn) != 2) ++port;
  f.Weigh({1, 1, 0, 1});
  const uint16_t now = f.Packet(port, kSyn);
  REQUIRE(now != 2);
  CHECK(f.Sum(BackendCounter::syn_retransmissions) == 0);
  CHECK(f.Packet(port, kSyn) == now);
  CHECK(f.Of(now, BackendCounter::syn_retransmissions) == 1);
  f.CheckSums();
}

TEST_CASE("a retransmitted SYN counts with every scheduler") {
  for (uint8_t scheduler = 0; scheduler <= 4; ++scheduler) {
    CountingWorld f(65536, static_cast<Scheduler>(scheduler));
    for (uint16_t port = 1; port <= 50; ++port) {
      const uint16_t backend = f.Packet(port, kSyn);
      const uint64_t before = f.Of(backend, BackendCounter::syn_retransmissions);
      REQUIRE(f.Packet(port, kSyn) == backend);
      REQUIRE(f.Of(backend, BackendCounter::syn_retransmissions) == before + 1);
    }
    f.CheckSums();
  }
}

TEST_CASE("the first RST of a flow that has no FIN is a client's reset") {
  CountingWorld f;
  const uint16_t backend = f.Packet(1, kSyn);
  f.Packet(1, kRst);
  CHECK(f.Of(backend, BackendCounter::client_resets) == 1);
  f.Packet(1, kRst | kAck);  // it is closing already
  CHECK(f.Sum(BackendCounter::client_resets) == 1);
  f.Packet(2, kSyn);
  f.Packet(2, kAck);
  f.Packet(2, kFin | kAck);
  f.Packet(2, kRst);  // after its end
  f.Packet(3, kRst);  // of no known flow
  CHECK(f.Sum(BackendCounter::client_resets) == 1);
  f.Packet(4, kSyn);
  f.Packet(4, kAck);
  f.Packet(4, kRst | kAck);
  CHECK(f.Sum(BackendCounter::client_resets) == 2);
  f.CheckSums();
}

TEST_CASE("a flow of SYNs only is unanswered once it has timed out: by the sweep") {
  CountingWorld f;
  std::map<uint16_t, uint64_t> silent;
  for (uint16_t port = 1; port <= 100; ++port) ++silent[f.Packet(port, kSyn)];
  for (uint16_t port = 101; port <= 150; ++port) {
    f.Packet(port, kSyn);
    f.Packet(port, port % 2 == 0 ? kAck : kRst);
  }
  f.Run({{.source_port = 7, .protocol = IpProtocol::kUdp}});  // one packet may be all there is
  f.Sweep();                                                  // takes less time than they have
  CHECK(f.Sum(BackendCounter::unanswered_flows) == 0);
  f.state.now_s += f.tables.timeouts.half_open_s;
  f.Sweep();
  f.Sweep();
  for (const auto& [backend, flows] : silent) {
    CHECK(f.Of(backend, BackendCounter::unanswered_flows) == flows);
  }
  CHECK(f.Sum(BackendCounter::unanswered_flows) == 100);
  f.CheckSums();
}

TEST_CASE("a flow of SYNs only is unanswered once: by a new flow in its place") {
  CountingWorld f(8);
  uint32_t entered = 0;
  for (uint16_t port = 1; port <= 40; ++port) {
    f.Packet(port, kSyn);
    if (f.state.counted[Counter::flow_inserts] == 1) ++entered;
  }
  const uint64_t evicted = f.total[Counter::flow_evictions];
  CHECK(f.Sum(BackendCounter::unanswered_flows) == 0);  // who gives way has not had its time
  f.state.now_s += f.tables.timeouts.half_open_s;
  for (uint16_t port = 1; port <= 200; ++port) {
    f.Packet(port, kSyn);
    f.Packet(port, kAck);
  }
  CHECK(f.Sum(BackendCounter::unanswered_flows) == entered - evicted);
  f.Sweep();
  CHECK(f.Sum(BackendCounter::unanswered_flows) == entered - evicted);
  f.CheckSums();
}

TEST_CASE("flows of an index's former backend count for nobody") {
  CountingWorld f;
  for (uint16_t port = 1; port <= 100; ++port) f.Packet(port, kSyn);
  for (uint16_t i = 0; i < 4; ++i) f.backends[i].id += 1u << 16;
  f.state.now_s += f.tables.timeouts.half_open_s;
  for (uint16_t port = 1; port <= 50; ++port) f.Packet(port, kSyn);  // in their places
  f.Sweep();
  CHECK(f.Sum(BackendCounter::unanswered_flows) == 0);
  CHECK(f.Sum(BackendCounter::syn_retransmissions) == 0);
  f.CheckSums();
}

TEST_CASE("what had timed out before a worker found it counts for nobody") {
  CountingWorld f;
  for (uint16_t port = 1; port <= 100; ++port) f.Packet(port, kSyn);
  f.state.now_s += f.tables.timeouts.half_open_s;
  bool kept = false;
  REQUIRE(f.flows.Attach(f.flow_memory.get(), f.flow_bytes, &kept).ok());
  REQUIRE(kept);
  f.Sweep();
  CHECK(f.Sum(BackendCounter::unanswered_flows) == 0);
}

TEST_CASE("the sums over the backends are the totals, whatever comes") {
  for (const uint64_t capacity : {16u, 512u}) {
    CountingWorld f(capacity, Scheduler::kTwoChoices);
    f.breaker_ = {0, 60, channel::WhenFull::kFirstChoice, {}};
    f.Weigh({1, 1, 1, 1});
    uint32_t seed = 7;
    const auto random = [&seed](uint32_t below) {
      seed = seed * 1664525 + 1013904223;
      return (seed >> 8) % below;
    };
    const uint8_t flags[] = {kSyn, kSyn, kSyn, kAck, kFin | kAck, kRst};
    for (int step = 0; step < 20000; ++step) {
      f.Run({{.source_port = static_cast<uint16_t>(random(600)),
              .protocol = random(8) == 0 ? IpProtocol::kUdp : IpProtocol::kTcp,
              .tcp_flags = flags[random(6)]}});
      f.total += f.state.counted;
      if (random(50) == 0) f.state.now_s += random(20);
      if (random(30) == 0) f.Sweep();
      if (random(1000) == 0) f.backends[random(4)].id += 1u << 16;
      if (random(300) == 0) f.Weigh({random(2), 1, random(3), 1});
    }
    f.CheckSums();
    if (capacity < 512) continue;
    for (size_t i = 0; i < kBackendCounterCount; ++i) {
      CAPTURE(kCounters[static_cast<size_t>(kBackendCounters[i])].name);
      CHECK(f.total[kBackendCounters[i]] > 30);
    }
  }
}

}  // namespace
}  // namespace guideway
