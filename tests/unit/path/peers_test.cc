// Known flows whose packets come to another worker than before.
#include <memory>

#include "tests/unit/path/tcp_fixture.h"

namespace guideway {
namespace {

// So many workers with the same tables. The flows that worker 0 knows are backend 0's, which gets
// no new ones any more: whoever does not find a flow sends it to backend 1.
struct Workers {
  explicit Workers(size_t count = 2) {
    for (size_t i = 0; i < count; ++i) {
      workers.push_back(std::make_unique<TcpWorld>());
      workers.back()->CountAll();
    }
    peers.resize(count);
    places.resize(count, std::vector<uint64_t>(count));
    for (size_t i = 0; i < count; ++i) {
      for (size_t j = 0; j < count; ++j) {
        if (j != i) peers[i].push_back(&workers[j]->flows);
      }
      workers[i]->state.peers = peers[i];
    }
  }
  TcpWorld& operator[](size_t i) { return *workers[i]; }
  void Drain() {
    for (const auto& worker : workers) worker->SetPool(0, 1);
  }
  void FollowTakeovers() {
    for (size_t i = 0; i < workers.size(); ++i) {
      for (size_t j = 0; j < workers.size(); ++j) {
        TcpWorld& w = *workers[i];
        if (j != i) w.flows.FollowTakeovers(workers[j]->flows, w.state.now_s, &places[i][j]);
      }
    }
  }
  uint32_t Flows(uint16_t backend) const {
    uint32_t sum = 0;
    for (const auto& worker : workers) sum += worker->flows.CountOf(backend);
    return sum;
  }

  std::vector<std::unique_ptr<TcpWorld>> workers;
  std::vector<std::vector<const FlowTable*>> peers;
  std::vector<std::vector<uint64_t>> places;
};

TEST_CASE("a known flow goes to its backend whichever worker gets it, and counts once") {
  const size_t count = GENERATE(2, 3, 8);
  Workers w(count);
  w[0].Tcp(kSyn);
  w[0].Data();
  w[0].Udp();
  w[0].Udp();
  w.FollowTakeovers();  // the first one's flow began
  w.Drain();
  for (size_t i = 1; i < count; ++i) {
    CHECK(w[i].Data() == 0);
    CHECK(w[i].StateOfLast() == FlowState::kEstablished);
    CHECK(w[i].Counted(Counter::flow_hits) == 1);
    CHECK(w[i].Counted(Counter::flow_misses) == 0);
    CHECK(w[i].Counted(Counter::flow_inserts) == 0);
    CHECK(w[i].Counted(Counter::flow_takeovers) == 1);
    CHECK_FALSE(w[i].burst.packets[0].new_flow);
    CHECK(w[i].Data() == 0);  // from its own table now
    CHECK(w[i].Counted(Counter::flow_takeovers) == 0);
    CHECK(w[i].Udp() == 0);
    CHECK(w[i].StateOfLast() == FlowState::kUdp);
    w.FollowTakeovers();
    CHECK(w.Flows(0) == 2);
  }
  // The first worker's entry is stale: another one has it.
  w[0].Wait(1);
  CHECK(w[0].Data() == 0);
  CHECK(w[0].Counted(Counter::flow_takeovers) == 1);
  w.FollowTakeovers();
  CHECK(w.Flows(0) == 2);
}

TEST_CASE("an entry of an earlier connection does not come back to life") {
  const auto end = GENERATE(kFin, kRst, kAck);  // the latter: it was abandoned
  CAPTURE(end);
  Workers w;
  w[0].Tcp(kSyn);
  w[0].Data();
  w[0].Tcp(end);
  w.FollowTakeovers();
  w.Drain();
  CHECK(w[1].Tcp(kSyn) == 1);  // from the same port
  w.FollowTakeovers();
  CHECK(w[0].flows.Find(w[0].burst.packets[0].flow_hash, w[0].state.now_s) != nullptr);
  CHECK(w[1].Tcp(kAck) == 1);
  w.FollowTakeovers();
  CHECK(w[0].Data() == 1);
  CHECK(w[0].Counted(Counter::flow_takeovers) == 1);
  w.FollowTakeovers();
  CHECK(w.Flows(0) == 0);
  CHECK(w.Flows(1) == 1);
}

TEST_CASE("several packets of a flow in one burst are one takeover") {
  Workers w;
  w[0].Tcp(kSyn);
  w.Drain();
  PacketSpec data{.tcp_flags = kAck};
  PacketSpec fin{.tcp_flags = kFin};
  w[1].Run({data, data, fin});
  for (uint32_t i = 0; i < 3; ++i) CHECK(w[1].burst.packets[i].transmit_port == 0);
  CHECK(w[1].Counted(Counter::flow_takeovers) == 1);
  CHECK(w[1].Counted(Counter::flow_hits) == 3);
  CHECK(w[1].StateOfLast() == FlowState::kHalfClosed);
}

TEST_CASE("the state comes along, and goes on by the packet") {
  Workers w;
  w[0].Tcp(kSyn);
  SECTION("half-open, and nobody misses the answer") {
    w.Drain();
    CHECK(w[1].Data() == 0);
    CHECK(w[1].StateOfLast() == FlowState::kEstablished);
    w.FollowTakeovers();
    w[0].Wait(w[0].tables.timeouts.half_open_s);
    uint32_t unanswered = 0;
    w[0].flows.Sweep(
        w[0].flows.bucket_count(), w[0].state.now_s, [](BackendId) { return false; },
        [&](BackendId) { ++unanswered; });
    CHECK(unanswered == 0);
  }
  SECTION("half-closed") {
    w[0].Data();
    w[0].Tcp(kFin);
    w.Drain();
    CHECK(w[1].Tcp(kAck) == 0);
    CHECK(w[1].StateOfLast() == FlowState::kHalfClosed);
  }
  SECTION("a RST") {
    w[0].Data();
    w.FollowTakeovers();
    w.Drain();
    CHECK(w[1].Tcp(kRst) == 0);
    CHECK(w[1].StateOfLast() == FlowState::kClosing);
    CHECK(w[1].Counted(Counter::client_resets) == 1);
    w.FollowTakeovers();
    CHECK(w[1].Data() == 0);
    CHECK(w[1].StateOfLast() == FlowState::kRevived);
    CHECK(w.Flows(0) == 1);
  }
}

TEST_CASE("a SYN starts a flow anew, whoever knows it") {
  Workers w;
  w[0].Tcp(kSyn);
  w[0].Data();
  w.Drain();
  CHECK(w[1].Tcp(kSyn) == 1);
  CHECK(w[1].Data() == 1);
  // The old entry is older, though it would live longer: a third worker believes the new one.
  TcpWorld third;
  third.SetPool(0, 2);
  const FlowTable* const peers[] = {&w[0].flows, &w[1].flows};
  const FlowTable* const other_way[] = {&w[1].flows, &w[0].flows};
  third.state.now_s += 1;
  w[1].Wait(1);
  CHECK(w[1].Data() == 1);
  third.state.peers = GENERATE(true, false) ? peers : other_way;
  CHECK(third.Data() == 1);
}

TEST_CASE("a flow whose backend keeps none is selected anew, and not asked for") {
  Workers w;
  w[0].Tcp(kSyn);
  w[0].Data();
  w[0].SetPool(0, 1);
  w[0].backends[0].keeps_known_flows = false;
  // What another worker has of it is of an earlier time.
  w[1].flows.Insert(w[0].burst.packets[0].flow_hash, w[0].backends[2].id, FlowState::kEstablished,
                    w[0].state.now_s, {});
  CHECK(w[0].Data() == 1);
  CHECK(w[0].Counted(Counter::flow_misses) == 1);
}

TEST_CASE("what all workers have given up is still found") {
  Workers w;
  w[0].Tcp(kSyn);
  w[0].Data();
  w.Drain();
  w[1].Data();
  w.FollowTakeovers();  // worker 0 gives it up
  w[1].flows.Clear(0);
  CHECK(w[0].Data() == 0);
  CHECK(w[0].StateOfLast() == FlowState::kEstablished);
  w.FollowTakeovers();
  CHECK(w.Flows(0) == 1);
}

TEST_CASE("a peer whose table is full of other flows keeps the flow's backend all the same") {
  Workers w;
  w[0].Tcp(kSyn);
  w[0].Data();
  w.Drain();
  TcpWorld small(8);
  for (uint64_t n = 0; n < 4096; ++n)
    small.flows.Insert(n << 32 | n, small.backends[2].id, FlowState::kEstablished,
                       small.state.now_s, {});
  small.SetPool(0, 1);
  const FlowTable* const peers[] = {&w[0].flows};
  small.state.peers = peers;
  CHECK(small.Data() == 0);
  CHECK(small.Data() == 0);
  CHECK(small.Counted(Counter::flow_insert_failures) == 1);
}

TEST_CASE("a flood of unknown flows asks for so many, and takes nothing from the other protocol") {
  Workers w(3);
  w[0].Tcp(kSyn);
  w[0].Data();
  w[0].Udp();
  w.Drain();
  uint64_t asked = 0, skipped = 0;
  for (uint16_t port = 1; port <= 2000; ++port) {
    CHECK(w[1].Tcp(kAck, 0, port) == 1);
    skipped += w[1].Counted(Counter::flow_asks_skipped);
    asked += 1 - w[1].Counted(Counter::flow_asks_skipped);
  }
  CHECK(asked == AskBudget::kTablesPerMs / 2);
  CHECK(skipped == 2000 - asked);
  CHECK(w[1].Udp() == 0);
  // Known flows cost nothing of it.
  w[1].state.now_ms += 1;
  for (int i = 0; i < 1500; ++i) {
    REQUIRE(w[1].Data() == 0);
    w[1].flows.Clear(0);
  }
}

TEST_CASE("one worker asks nobody") {
  Workers w(1);
  w.Drain();
  for (uint16_t port = 1; port <= 3000; ++port) CHECK(w[0].Tcp(kAck, 0, port) == 1);
  CHECK(w[0].Counted(Counter::flow_asks_skipped) == 0);
}

}  // namespace
}  // namespace guideway
