// What a worker does with packets that are too big: replies, fragments, and their limits and
// losses.
#include <catch2/catch.hpp>
#include <chrono>

#include "tests/unit/dataplane/worker_bench.h"
#include "tests/unit/path/icmp_builder.h"

namespace guideway {
namespace {

// Longer than the backend's MTU by 20 bytes, which is what IPIP takes.
std::vector<uint8_t> LongFrame(bool dont_fragment) {
  PacketSpec spec;
  spec.source = "198.51.100.9";
  spec.destination = "192.0.2.80";
  spec.payload_bytes = 1500 - 40;
  spec.tcp_flags = kTcpAck;
  spec.dont_fragment = dont_fragment;
  return Frame(spec);
}

std::vector<uint8_t> TakeFrom(rte_ring* ring) {
  void* first = nullptr;
  if (rte_ring_dequeue(ring, &first) != 0) return {};
  auto* mbuf = static_cast<rte_mbuf*>(first);
  const auto* bytes = rte_pktmbuf_mtod(mbuf, const uint8_t*);
  const std::vector<uint8_t> frame(bytes, bytes + rte_pktmbuf_pkt_len(mbuf));
  rte_pktmbuf_free(mbuf);
  return frame;
}

TEST_CASE("a packet that is too big is answered out of the port that it came from") {
  Bench bench;
  bench.Send(LongFrame(true));
  bench.Start();
  bench.AwaitReceived(1);
  const CounterValues counters = bench.Counters();
  CHECK(counters[Counter::answered_packets] == 1);
  CHECK(counters[Counter::too_big_replies] == 1);
  CHECK(counters.Balanced());
  CHECK(rte_ring_count(bench.back->transmit) == 0);
  const std::vector<uint8_t> reply = TakeFrom(bench.front->transmit);
  REQUIRE(reply.size() == 14 + 576);
  CHECK(reply[34] == 3);
  CHECK(reply[35] == 4);
  CHECK(reply[40] * 256 + reply[41] == 1480);
}

TEST_CASE("a packet in fragments is one forwarded packet, and they keep their place") {
  Bench bench;
  const uint32_t buffers_in_use = rte_mempool_in_use_count(bench.mempool);
  bench.Send(VipFrame(1));
  bench.Send(LongFrame(false));
  bench.Send(VipFrame(2));
  bench.Start();
  bench.AwaitReceived(3);
  bench.StopAndJoin();
  const CounterValues counters = bench.Counters();
  CHECK(counters[Counter::forwarded_packets] == 3);
  CHECK(counters[Counter::fragments_sent] == 2);
  CHECK(counters.Balanced());
  std::vector<size_t> lengths;
  uint64_t bytes = 0;
  while (rte_ring_count(bench.back->transmit) > 0) {
    lengths.push_back(TakeFrom(bench.back->transmit).size());
    bytes += lengths.back();
  }
  const size_t whole = VipFrame(1).size() + 20;
  // 1480 bytes of payload: 1456, as a multiple of 8, and 24; Ethernet, outer and own header.
  CHECK(lengths == std::vector<size_t>{whole, 14 + 20 + 20 + 1456, 14 + 20 + 20 + 24, whole});
  CHECK(counters[Counter::forwarded_bytes] == bytes);
  CHECK(rte_mempool_in_use_count(bench.mempool) == buffers_in_use);
  channel::TrafficValues vip;
  bench.worker->traffic().vips[5].AddTo(&vip);
  CHECK(vip.packets == 3);
  CHECK(vip.bytes == 2 * VipFrame(1).size() + LongFrame(false).size());
}

TEST_CASE("without buffers for the fragments a packet is a named drop") {
  Bench bench;
  bench.Send(LongFrame(false));
  std::vector<rte_mbuf*> taken;
  while (rte_mbuf* mbuf = rte_pktmbuf_alloc(bench.mempool)) taken.push_back(mbuf);
  bench.Start();
  bench.AwaitReceived(1);
  CHECK(bench.Counters()[DropReason::fragment_no_buffer] == 1);
  CHECK(bench.Counters()[Counter::fragments_sent] == 0);
  CHECK(bench.Counters().Balanced());
  bench.StopAndJoin();
  for (rte_mbuf* mbuf : taken) rte_pktmbuf_free(mbuf);
}

TEST_CASE("a packet of whose fragments one does not leave is a named drop") {
  Bench bench(1);
  const uint32_t buffers_in_use = rte_mempool_in_use_count(bench.mempool);
  bench.Send(LongFrame(false));
  bench.Start();
  bench.AwaitReceived(1);
  const CounterValues counters = bench.Counters();
  CHECK(counters[Counter::fragments_sent] == 1);
  CHECK(counters[Counter::forwarded_packets] == 0);
  CHECK(counters[DropReason::transmit_queue_full] == 1);
  CHECK(counters.Balanced());
  bench.StopAndJoin();
  CHECK(TakeFrom(bench.back->transmit).size() == 14 + 20 + 20 + 1456);
  CHECK(rte_mempool_in_use_count(bench.mempool) == buffers_in_use);
}

TEST_CASE("limits of 0: nothing is sent back") {
  Bench bench(kRingEntries, "", {.too_big_per_second = 0, .echo_per_second = 0});
  bench.Send(LongFrame(true));
  bench.Send(EchoRequest("198.51.100.9", "192.0.2.80"));
  bench.Start();
  bench.AwaitReceived(2);
  CHECK(bench.Counters()[DropReason::too_big_rate_limited] == 1);
  CHECK(bench.Counters()[DropReason::echo_rate_limited] == 1);
  CHECK(rte_ring_count(bench.front->transmit) == 0);
  CHECK(bench.Counters().Balanced());
}

TEST_CASE("limits give again as time passes") {
  Bench bench(kRingEntries, "", {.too_big_per_second = 20, .echo_per_second = 20});
  bench.Start();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  // The first second's worth, and then at least as many again.
  while (bench.Counters()[Counter::answered_packets] < 40) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    if (rte_ring_count(bench.front->receive) == 0) {
      bench.Send(EchoRequest("198.51.100.9", "192.0.2.80"));
    }
  }
  bench.StopAndJoin();
  CHECK(bench.Counters()[DropReason::echo_rate_limited] > 0);
  CHECK(bench.Counters().Balanced());
}

}  // namespace
}  // namespace guideway
