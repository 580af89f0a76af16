// Fragments between a worker's ports: those that wait are neither lost nor counted twice, whatever
// becomes of them, and all buffers come back.
#include <catch2/catch.hpp>
#include <functional>

#include "tests/unit/dataplane/worker_bench.h"
#include "tests/unit/path/fragment_driver.h"

namespace guideway {
namespace {

// Of a datagram for the VIP, in three pieces.
std::vector<uint8_t> Piece(uint32_t index, uint16_t source_port, uint32_t identification) {
  FragmentSpec spec;
  spec.whole = {.source = "198.51.100.9",
                .source_port = source_port,
                .destination = "192.0.2.80",
                .tcp_flags = kTcpAck,
                .payload_bytes = 3000};
  spec.identification = identification;
  spec.offset_bytes = index * 1200;
  spec.payload_bytes = index == 2 ? 620 : 1200;
  spec.more = index != 2;
  return FragmentFrame(spec);
}

// Until `counter` is `value`, at most 5 s.
void Await(const Bench& bench, uint64_t value,
           const std::function<uint64_t(const CounterValues&)>& counter) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (counter(bench.Counters()) != value && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  REQUIRE(counter(bench.Counters()) == value);
}
void AwaitWaiting(const Bench& bench, uint64_t value) {
  Await(bench, value, [](const CounterValues& c) { return c[Counter::fragments_waited]; });
}

TEST_CASE("fragments that wait are received once they go on, each once and in order") {
  Bench bench;
  bench.Start();
  bench.Send(Piece(2, 7, 1));
  bench.Send(Piece(1, 7, 1));
  AwaitWaiting(bench, 2);
  CHECK(bench.Counters()[Counter::received_packets] == 0);
  CHECK(bench.Counters()[Counter::received_bytes] == 0);
  CHECK(bench.Counters().Balanced());
  bench.Send(VipFrame(1));
  bench.AwaitReceived(1);
  bench.Send(Piece(0, 7, 1));
  bench.AwaitReceived(4);
  const CounterValues counters = bench.Counters();
  CHECK(counters.Balanced());
  CHECK(counters[Counter::forwarded_packets] == 4);
  CHECK(counters[Counter::fragments_received] == 3);
  CHECK(counters[Counter::fragments_waited] == 2);
  const size_t bytes = Piece(0, 7, 1).size() * 2 + Piece(2, 7, 1).size() + VipFrame(1).size();
  CHECK(counters[Counter::received_bytes] == bytes);
  CHECK(counters[Counter::forwarded_bytes] == bytes + 4 * 20);
  channel::TrafficValues vip;
  bench.worker->traffic().vips[5].AddTo(&vip);
  CHECK(vip.packets == 4);
  CHECK(vip.bytes == bytes);
  for (const std::vector<uint8_t>& sent :
       {VipFrame(1), Piece(0, 7, 1), Piece(2, 7, 1), Piece(1, 7, 1)}) {
    void* left = nullptr;
    REQUIRE(rte_ring_dequeue(bench.back->transmit, &left) == 0);
    auto* mbuf = static_cast<rte_mbuf*>(left);
    const auto* frame = rte_pktmbuf_mtod(mbuf, const uint8_t*);
    REQUIRE(rte_pktmbuf_pkt_len(mbuf) == sent.size() + 20);
    // The datagram as it came, but for its TTL and checksum, behind the outer header.
    CHECK(std::equal(sent.begin() + 26, sent.end(), frame + 46));
    rte_pktmbuf_free(mbuf);
  }
}

TEST_CASE("a fragment whose first does not come is a named drop, without other traffic, too") {
  Bench bench;
  bench.Start();
  bench.Send(Piece(1, 7, 1));
  Await(bench, 1, [](const CounterValues& c) { return c[DropReason::fragment_timeout]; });
  const CounterValues counters = bench.Counters();
  CHECK(counters[Counter::received_packets] == 1);
  CHECK(counters[Counter::received_bytes] == Piece(1, 7, 1).size());
  CHECK(counters[Counter::fragments_received] == 1);
  CHECK(counters.Balanced());
  bench.StopAndJoin();
  CHECK(rte_mempool_in_use_count(bench.mempool) == 0);
}

TEST_CASE("too many waiting fragments: the oldest are named drops, and no buffer is lost") {
  Bench bench;
  bench.Start();
  constexpr uint32_t kMore = 20;
  for (uint32_t i = 0; i < FragmentTable::kWaiting + kMore; ++i) {
    bench.Send(Piece(1, 7, i));
    AwaitWaiting(bench, i + 1);  // one by one: the receive ring is small
  }
  bench.StopAndJoin();
  const CounterValues counters = bench.Counters();
  CHECK(counters[DropReason::fragment_overflow] + counters[DropReason::fragment_timeout] ==
        FragmentTable::kWaiting + kMore);
  CHECK(counters[Counter::received_packets] == FragmentTable::kWaiting + kMore);
  CHECK(counters.Balanced());
  CHECK(rte_mempool_in_use_count(bench.mempool) == 0);
}

TEST_CASE("a stopping worker drops what waits") {
  Bench bench;
  bench.Send(Piece(1, 7, 1));
  bench.worker->RequestStop();
  bench.Start();
  bench.thread.join();
  CHECK(bench.Counters()[DropReason::fragment_timeout] == 1);
  CHECK(bench.Counters()[Counter::received_packets] == 1);
  CHECK(bench.Counters().Balanced());
  CHECK(rte_mempool_in_use_count(bench.mempool) == 0);
}

TEST_CASE("a fragmented datagram goes to the backend that a peer's flow table names") {
  Bench bench;
  bench.world.AddBackend(4, channel::Encapsulation::kIpip, "10.0.0.1", "10.0.0.4");
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  const uint64_t hash =
      FlowHash(bench.world.tables.flow_hash_key, {.source = Address("198.51.100.9"),
                                                  .destination = Address("192.0.2.80"),
                                                  .source_port = Be16(7),
                                                  .destination_port = Be16(80),
                                                  .protocol = IpProtocol::kTcp});
  bench.peer.flows.Insert(hash, bench.world.backends[4].id, FlowState::kEstablished,
                          static_cast<uint32_t>(now.tv_sec), {});
  for (uint32_t i = 0; i < 3; ++i) bench.Send(Piece(i, 7, 1));
  for (uint32_t i = 0; i < 3; ++i) bench.Send(Piece(i, 8, 2));
  bench.Start();
  bench.AwaitReceived(6);
  for (const size_t index : {4, 3}) {
    channel::TrafficValues backend;
    bench.worker->traffic().backends[index].AddTo(&backend);
    CHECK(backend.packets == 3);
  }
  CHECK(bench.Counters()[Counter::flow_hits] == 1);
  CHECK(bench.Counters()[Counter::flow_misses] == 1);
}

}  // namespace
}  // namespace guideway
