// The circuit breaker: limits are kept, what exceeds them goes to the next choice, known flows
// stay.
#include "dataplane/path/breaker.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <vector>

#include "tests/unit/path/schedulers_fixture.h"

namespace guideway {
namespace {

constexpr uint8_t kAck = kTcpAck;
constexpr Scheduler kAll[] = {Scheduler::kMaglev, Scheduler::kMaglevSource,
                              Scheduler::kWeightedRoundRobin, Scheduler::kWeightedLeastConnections,
                              Scheduler::kTwoChoices};

struct BreakerWorld : SchedulerWorld {
  BreakerWorld(Scheduler scheduler, channel::Breaker breaker,
               const std::vector<uint32_t>& weights = {1, 1, 1, 1}, uint64_t flow_capacity = 65536)
      : SchedulerWorld(scheduler, weights, flow_capacity), cells(channel::kMaxBackends) {
    state.backend_counters = cells.data();
    state.breaker = &rates;
    breaker_ = breaker;
    Weigh(weights);
  }
  // From clients of their own, so that every scheduler spreads them.
  Packet& Syn(uint32_t n, IpProtocol protocol = IpProtocol::kTcp) {
    Packet& packet = Run({{.source = "192.0.2." + std::to_string(n % 250),
                           .source_port = static_cast<uint16_t>(1024 + n),
                           .protocol = protocol}})
                         .packets[0];
    total += state.counted;
    if (packet.verdict == Verdict::kDrop) ++total[packet.drop_reason];
    return packet;
  }
  uint64_t Of(uint16_t backend, BackendCounter counter) const {
    return cells[backend].values[static_cast<size_t>(counter)].load();
  }

  BreakerState rates;
  std::vector<BackendCounterCell> cells;
  CounterValues total;
};

TEST_CASE("max_flows: nobody has more, as long as somebody has room; weights are left behind") {
  for (const Scheduler scheduler : kAll) {
    for (const IpProtocol protocol : {IpProtocol::kTcp, IpProtocol::kUdp}) {
      BreakerWorld f(scheduler, {0, 100, channel::WhenFull::kFirstChoice, {}}, {1, 1, 1, 10});
      for (uint32_t n = 0; n < 400; ++n) {
        REQUIRE(f.Syn(n, protocol).verdict == Verdict::kForward);
        for (uint16_t i = 0; i < 4; ++i) REQUIRE(f.flows.CountOf(i) <= 100);
      }
      for (uint16_t i = 0; i < 4; ++i) CHECK(f.flows.CountOf(i) == 100);
      CHECK(f.total[Counter::over_limit_flows] == 0);
      CHECK(f.total[Counter::overflowed_flows] > 100);
      // All are full: the first choice gets it.
      for (uint32_t n = 400; n < 430; ++n) REQUIRE(f.Syn(n, protocol).verdict == Verdict::kForward);
      CHECK(f.total[Counter::over_limit_flows] == 30);
      uint64_t over = 0, overflowed = 0;
      for (uint16_t i = 0; i < 4; ++i) {
        over += f.Of(i, BackendCounter::over_limit_flows);
        overflowed += f.Of(i, BackendCounter::overflowed_flows);
      }
      CHECK(over == 30);
      CHECK(overflowed == f.total[Counter::overflowed_flows]);
    }
  }
}

TEST_CASE("when all are full and the pool says drop, SYNs are dropped and known flows go on") {
  for (const Scheduler scheduler : kAll) {
    BreakerWorld f(scheduler, {0, 10, channel::WhenFull::kDrop, {}});
    std::vector<uint16_t> backends;
    for (uint32_t n = 0; n < 40; ++n) backends.push_back(f.Syn(n).transmit_port);
    for (uint32_t n = 40; n < 60; ++n) {
      const Packet& packet = f.Syn(n);
      REQUIRE(packet.verdict == Verdict::kDrop);
      REQUIRE(packet.drop_reason == DropReason::breaker_full);
      REQUIRE_FALSE(packet.new_flow);
    }
    CHECK(f.total[DropReason::breaker_full] == 20);
    CHECK(f.KnownFlows() == 40);
    for (uint32_t n = 0; n < 40; ++n) {
      REQUIRE(f.Syn(n).transmit_port == backends[n]);  // sent again: no new flow
      REQUIRE(f.Send({.source = "192.0.2." + std::to_string(n),
                      .source_port = static_cast<uint16_t>(1024 + n),
                      .tcp_flags = kAck}) == backends[n]);
    }
    CHECK(f.total[Counter::syn_retransmissions] == 40);
    // What is no start of a flow is not limited.
    CHECK(f.Run({{.source_port = 7777, .tcp_flags = kAck}}).packets[0].verdict ==
          Verdict::kForward);
  }
}

TEST_CASE("max_new_flows_per_second: a second's worth at once, then as time goes") {
  for (const Scheduler scheduler : kAll) {
    BreakerWorld f(scheduler, {50, 0, channel::WhenFull::kDrop, {}});
    uint32_t n = 0;
    std::map<uint16_t, uint32_t> got;
    for (; n < 300; ++n) {
      const Packet& packet = f.Syn(n);
      if (packet.verdict == Verdict::kForward) ++got[packet.transmit_port];
    }
    for (uint16_t i = 0; i < 4; ++i) CHECK(got[i] == 50);
    CHECK(f.total[DropReason::breaker_full] == 100);
    f.state.now_ms += 100;
    got.clear();
    for (; n < 400; ++n) {
      const Packet& packet = f.Syn(n);
      if (packet.verdict == Verdict::kForward) ++got[packet.transmit_port];
    }
    for (uint16_t i = 0; i < 4; ++i) CHECK(got[i] == 5);
  }
}

TEST_CASE("a worker has its share of the limits, rounded up") {
  BreakerWorld f(Scheduler::kMaglev, {0, 10, channel::WhenFull::kDrop, {}});
  const FlowTable* const peers[] = {&f.flows, &f.flows};  // three workers
  f.state.peers = peers;
  for (uint32_t n = 0; n < 100; ++n) f.Syn(n);
  for (uint16_t i = 0; i < 4; ++i) CHECK(f.flows.CountOf(i) == 4);
  BreakerWorld rate(Scheduler::kMaglev, {1, 0, channel::WhenFull::kDrop, {}});
  rate.state.peers = peers;
  for (uint32_t n = 0; n < 100; ++n) rate.Syn(n);
  for (uint16_t i = 0; i < 4; ++i) CHECK(rate.flows.CountOf(i) == 1);
}

TEST_CASE("overflow goes to backends that get new flows only, and ends when there is room") {
  BreakerWorld f(Scheduler::kMaglev, {0, 20, channel::WhenFull::kFirstChoice, {}});
  f.Weigh({1, 0, 1, 1});
  for (uint32_t n = 0; n < 100; ++n) f.Syn(n);
  CHECK(f.flows.CountOf(1) == 0);
  for (const uint16_t i : std::vector<uint16_t>{0, 2, 3}) CHECK(f.flows.CountOf(i) >= 20);
  CHECK(f.total[Counter::over_limit_flows] == 40);
  f.state.now_s += f.tables.timeouts.half_open_s;
  f.SweepAll();
  f.total = CounterValues{};
  for (uint32_t n = 1000; n < 1030; ++n) f.Syn(n);
  CHECK(f.total[Counter::over_limit_flows] == 0);
}

TEST_CASE("maglev-source: the overflow of a client stays together") {
  BreakerWorld f(Scheduler::kMaglevSource, {0, 30, channel::WhenFull::kFirstChoice, {}});
  std::map<uint16_t, uint32_t> got;
  for (uint16_t port = 1; port <= 60; ++port) ++got[f.Flow(port)];  // of one client
  CHECK(got.size() == 2);
  for (const auto& [backend, flows] : got) CHECK(flows == 30);
}

TEST_CASE("a pool of many: also those beyond what is asked one by one are found by hash") {
  BreakerWorld f(Scheduler::kMaglev, {0, 1, channel::WhenFull::kFirstChoice, {}},
                 std::vector<uint32_t>(32, 1));
  for (uint32_t n = 0; n < 32; ++n) f.Syn(n);
  for (uint16_t i = 0; i < 32; ++i) CHECK(f.flows.CountOf(i) == 1);
}

TEST_CASE("overflow goes by the weights as long as there is room") {
  const std::vector<uint32_t> weights = {10, 1, 1, 8};
  BreakerWorld open(Scheduler::kMaglev, {}, weights);
  BreakerWorld f(Scheduler::kMaglev, {0, 50, channel::WhenFull::kFirstChoice, {}}, weights);
  for (uint32_t n = 0; n < 250; ++n) {
    if (open.Syn(n).transmit_port == 0) f.Syn(n);  // the first choice of all
  }
  CHECK(f.flows.CountOf(0) == 50);
  CHECK(f.total[Counter::overflowed_flows] > 30);
  CHECK(f.flows.CountOf(3) > 2 * (f.flows.CountOf(1) + f.flows.CountOf(2)));
}

TEST_CASE("overflow goes to no backend that is not there") {
  BreakerWorld f(Scheduler::kMaglev, {0, 20, channel::WhenFull::kFirstChoice, {}});
  f.backends[1] = {};
  for (uint32_t n = 0; n < 100; ++n) f.Syn(n);
  CHECK(f.total[Counter::overflowed_flows] > 0);
  CHECK(f.flows.CountOf(1) == 0);
}

}  // namespace
}  // namespace guideway
