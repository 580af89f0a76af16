// A worker between ports made of DPDK rings: verdicts become packets on the other ring, packets in
// the kernel twin, or counted drops; the accounting adds up; SIGTERM's way out empties the queues.
#include "dataplane/worker/worker.h"

#include <rte_malloc.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <thread>

#include "dataplane/manager/traffic_totals.h"
#include "tests/unit/dataplane/worker_bench.h"
#include "tests/unit/path/icmp_builder.h"

namespace guideway {
namespace {

TEST_CASE("packets for the VIP leave by the backend's port, encapsulated, and are counted") {
  Bench bench;
  constexpr uint16_t kPackets = 100;
  uint64_t sent_bytes = 0;
  for (uint16_t i = 0; i < kPackets; ++i) {
    const std::vector<uint8_t> frame = VipFrame(static_cast<uint16_t>(1000 + i));
    sent_bytes += frame.size();
    bench.Send(frame);
  }
  bench.Start();
  bench.AwaitReceived(kPackets);
  const CounterValues counters = bench.Counters();
  CHECK(counters.Balanced());
  CHECK(counters[Counter::forwarded_packets] == kPackets);
  CHECK(counters[Counter::received_bytes] == sent_bytes);
  CHECK(counters[Counter::forwarded_bytes] == sent_bytes + kPackets * 20);  // one IPv4 header each
  CHECK(rte_ring_count(bench.back->transmit) == kPackets);
  void* first = nullptr;
  REQUIRE(rte_ring_dequeue(bench.back->transmit, &first) == 0);
  auto* mbuf = static_cast<rte_mbuf*>(first);
  CHECK(rte_pktmbuf_pkt_len(mbuf) == VipFrame(1000).size() + 20);
  CHECK(rte_pktmbuf_mtod(mbuf, uint8_t*)[14 + 9] == 4);  // outer protocol: IPv4 in IPv4
  rte_pktmbuf_free(mbuf);

  channel::TrafficValues vip;
  bench.worker->traffic().vips[5].AddTo(&vip);
  CHECK(vip.packets == kPackets);
  CHECK(vip.bytes == sent_bytes);
  CHECK(vip.new_flows == kPackets);
  channel::TrafficValues backend;
  bench.worker->traffic().backends[3].AddTo(&backend);
  CHECK(backend.packets == kPackets);
}

TEST_CASE("an index that gets another owner counts from zero") {
  Bench bench;
  std::vector<std::unique_ptr<Worker>> workers;
  workers.push_back(std::move(bench.worker));
  bench.worker_in_use = workers[0].get();
  TrafficTotals totals(&workers);
  TableState tables;
  tables.vips.resize(6);
  tables.vips[5] = {.exists = true,
                    .body = {.index = 5,
                             .pool = 0,
                             .address = Address("192.0.2.80"),
                             .port = Be16(80),
                             .protocol = 6}};
  tables.backends.resize(4);
  tables.backends[3].exists = true;
  tables.backends[3].body.incarnation = 1;
  totals.Follow(tables);
  bench.Send(VipFrame(1));
  bench.Start();
  bench.AwaitReceived(1);
  totals.Follow(tables);  // the same owners
  CHECK(totals.Vip(5).packets == 1);
  CHECK(totals.Backend(3).packets == 1);
  tables.vips[5].body.port = Be16(81);
  tables.backends[3].body.incarnation = 2;
  totals.Follow(tables);
  CHECK(totals.Vip(5).packets == 0);
  CHECK(totals.Backend(3).bytes == 0);
  bench.Send(VipFrame(2));
  bench.AwaitReceived(2);
  CHECK(totals.Vip(5).packets == 1);
  CHECK(totals.Backend(3).new_flows == 1);
  bench.StopAndJoin();
}

TEST_CASE("without a kernel twin a packet for nobody is a named drop") {
  Bench bench;
  bench.Send(OtherFrame());
  bench.Start();
  bench.AwaitReceived(1);
  CHECK(bench.Counters()[DropReason::no_kernel_twin] == 1);
  CHECK(bench.Counters().Balanced());
}

TEST_CASE("a frame in several buffers is a named drop, its neighbours are forwarded") {
  Bench bench;
  bench.Send(VipFrame(1));
  bench.SendScattered(VipFrame(2));
  bench.Send(VipFrame(3));
  bench.Start();
  bench.AwaitReceived(3);
  CHECK(bench.Counters()[DropReason::scattered_frame] == 1);
  CHECK(bench.Counters()[Counter::forwarded_packets] == 2);
  CHECK(bench.Counters().Balanced());
}

TEST_CASE("what a full transmit queue does not take is a named drop and no lost buffer") {
  constexpr uint32_t kRoom = 10;
  Bench bench(kRoom);
  for (uint16_t i = 0; i < 32; ++i) bench.Send(VipFrame(i));
  const uint32_t buffers_in_use = rte_mempool_in_use_count(bench.mempool);
  bench.Start();
  bench.AwaitReceived(32);
  const CounterValues counters = bench.Counters();
  CHECK(counters[Counter::forwarded_packets] == kRoom);
  CHECK(counters[DropReason::transmit_queue_full] == 32 - kRoom);
  CHECK(counters.Balanced());
  CHECK(rte_mempool_in_use_count(bench.mempool) == buffers_in_use - (32 - kRoom));
}

TEST_CASE("an echo request is answered out of the port that it came from") {
  Bench bench;
  const std::vector<uint8_t> echo = EchoRequest("198.51.100.9", "192.0.2.80");
  bench.Send(echo);
  bench.Send(VipFrame(1));
  bench.Start();
  bench.AwaitReceived(2);
  const CounterValues counters = bench.Counters();
  CHECK(counters[Counter::answered_packets] == 1);
  CHECK(counters[Counter::forwarded_packets] == 1);
  CHECK(counters[Counter::forwarded_bytes] == VipFrame(1).size() + 20);
  CHECK(counters.Balanced());
  CHECK(rte_ring_count(bench.back->transmit) == 1);
  void* first = nullptr;
  REQUIRE(rte_ring_dequeue(bench.front->transmit, &first) == 0);
  auto* mbuf = static_cast<rte_mbuf*>(first);
  const auto* bytes = rte_pktmbuf_mtod(mbuf, const uint8_t*);
  CHECK(std::vector<uint8_t>(bytes, bytes + rte_pktmbuf_pkt_len(mbuf)) == ExpectedAnswer(echo, 34));
  rte_pktmbuf_free(mbuf);
}

TEST_CASE("answers that a full transmit queue does not take are named drops") {
  Bench bench;
  bench.Start();
  constexpr uint32_t kEchoes = kRingEntries + 10;
  for (uint32_t i = 0; i < kEchoes; ++i) {
    bench.Send(EchoRequest("198.51.100.9", "192.0.2.80"));
    bench.AwaitReceived(i + 1);  // one by one: the receive ring is small
  }
  const CounterValues counters = bench.Counters();
  CHECK(counters[Counter::answered_packets] == kRingEntries);
  CHECK(counters[DropReason::transmit_queue_full] == 10);
  CHECK(counters.Balanced());
}

TEST_CASE("an ICMP error goes to the backend that a peer's flow table names") {
  Bench bench;
  bench.world.AddBackend(4, channel::Encapsulation::kIpip, "10.0.0.1", "10.0.0.4");
  // A packet that the peer gets while its slots are another backend's.
  bench.peer.AddBackend(4, channel::Encapsulation::kIpip, "10.0.0.1", "10.0.0.4");
  bench.peer.SetPool(0, 4);
  REQUIRE(bench.peer.AddVip(5, "192.0.2.80", 80, IpProtocol::kTcp, 0));
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  bench.peer.state.now_s = static_cast<uint32_t>(now.tv_sec);
  Buffer buffer(VipFrame(1), 64);
  Burst burst;
  burst.count = 1;
  buffer.Fill(burst.packets[0]);
  ProcessBurst(burst, bench.peer.tables, bench.peer.state);
  REQUIRE(burst.packets[0].new_flow);

  bench.Send(ErrorAbout(VipFrame(1)));
  bench.Send(ErrorAbout(VipFrame(2)));
  bench.Start();
  bench.AwaitReceived(2);
  CHECK(bench.Counters()[Counter::forwarded_packets] == 2);
  CHECK(bench.Counters()[Counter::flow_inserts] == 0);
  for (const size_t index : {4, 3}) {
    channel::TrafficValues backend;
    bench.worker->traffic().backends[index].AddTo(&backend);
    CHECK(backend.packets == 1);
  }
}

TEST_CASE("with a kernel twin a packet for nobody goes to the kernel") {
  // A TAP needs CAP_NET_ADMIN.
  Bench bench(kRingEntries, "gwtest0");
  constexpr uint32_t kTwinRing = 1024;
  bench.Start();
  for (uint32_t i = 0; i < kTwinRing + 100; ++i) {
    bench.Send(OtherFrame());
    bench.AwaitReceived(i + 1);  // one by one: the receive ring is small
  }
  // Nobody has polled the twin: its ring took what it holds, the rest is counted.
  const CounterValues counters = bench.Counters();
  CHECK(counters[Counter::to_kernel_packets] == kTwinRing - 1);
  CHECK(counters[DropReason::kernel_queue_full] == 101);
  CHECK(counters.Balanced());
  KernelTwin* twin = bench.front->port->twin();
  while (twin->Poll()) {
  }
  bench.Send(OtherFrame());
  bench.AwaitReceived(kTwinRing + 101);
  CHECK(bench.Counters()[Counter::to_kernel_packets] == kTwinRing);
}

TEST_CASE("a stopping worker empties its queue first") {
  Bench bench;
  for (uint16_t i = 0; i < 200; ++i) bench.Send(VipFrame(i));
  bench.worker->RequestStop();
  bench.Start();
  bench.thread.join();
  CHECK(bench.Counters()[Counter::received_packets] == 200);
  CHECK(bench.Counters()[Counter::forwarded_packets] == 200);
}

TEST_CASE("another flow hash key empties the flow table") {
  Bench bench;
  bench.Send(VipFrame(1));
  bench.Start();
  bench.AwaitReceived(1);
  CHECK(bench.world.flows.key_digest() == 1);
  Snapshot changed = bench.world.tables;
  changed.flow_key_digest = 2;
  bench.published.store(&changed);
  // The worker may have begun the round that takes this one before the change, but not the next.
  bench.Send(VipFrame(2));
  bench.AwaitReceived(2);
  bench.Send(VipFrame(3));
  bench.AwaitReceived(3);
  bench.StopAndJoin();
  CHECK(bench.world.flows.key_digest() == 2);
  uint64_t flows = 0;
  bench.world.flows.ForEach([&](uint64_t, BackendId, FlowState, uint32_t) { ++flows; });
  CHECK(flows >= 1);
  CHECK(flows <= 2);
}

}  // namespace
}  // namespace guideway
