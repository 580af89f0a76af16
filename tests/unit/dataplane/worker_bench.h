// A worker between two ports made of DPDK rings, which the test holds the other ends of.
#ifndef GUIDEWAY_TESTS_UNIT_DATAPLANE_WORKER_BENCH_H_
#define GUIDEWAY_TESTS_UNIT_DATAPLANE_WORKER_BENCH_H_

#include <rte_eth_ring.h>
#include <rte_malloc.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "dataplane/manager/publisher.h"
#include "dataplane/worker/worker.h"
#include "tests/unit/dataplane/start_eal.h"
#include "tests/unit/path/packet_builder.h"
#include "tests/unit/path/path_fixture.h"

namespace guideway {

inline constexpr uint32_t kRingEntries = 256;

// A port whose receive and transmit queue the test holds in its hands.
struct RingPort {
  RingPort(const std::string& name, rte_mempool* mempool, uint32_t transmit_entries) {
    receive = rte_ring_create((name + "_rx").c_str(), kRingEntries, 0, RING_F_EXACT_SZ);
    transmit = rte_ring_create((name + "_tx").c_str(), transmit_entries, 0, RING_F_EXACT_SZ);
    REQUIRE(receive != nullptr);
    REQUIRE(transmit != nullptr);
    REQUIRE(rte_eth_from_rings(name.c_str(), &receive, 1, &transmit, 1, 0) >= 0);
    PortSpec spec;
    spec.kind = PortKind::kVdev;
    spec.name = name;
    auto opened = Port::Open(spec, {"net_ring_" + name}, 1, mempool);
    REQUIRE(opened.ok());
    port = *std::move(opened);
  }
  ~RingPort() {
    port.reset();
    for (rte_ring* ring : {receive, transmit}) {
      void* left = nullptr;
      while (rte_ring_dequeue(ring, &left) == 0) rte_pktmbuf_free(static_cast<rte_mbuf*>(left));
      rte_ring_free(ring);
    }
  }
  rte_ring* receive = nullptr;
  rte_ring* transmit = nullptr;
  std::unique_ptr<Port> port;
};

// Two ports, one worker in a thread of its own, VIP 192.0.2.80:80/tcp -> backend behind port 1.
struct Bench {
  explicit Bench(uint32_t transmit_entries = kRingEntries, const std::string& twin = "",
                 const ReplyLimits& limits = {}) {
    StartEal();
    static int count = 0;
    const std::string number = std::to_string(++count);
    mempool = rte_pktmbuf_pool_create(("pool" + number).c_str(), 2047, 0, 0,
                                      RTE_MBUF_DEFAULT_BUF_SIZE, 0);
    REQUIRE(mempool != nullptr);
    front = std::make_unique<RingPort>("front" + number, mempool, kRingEntries);
    back = std::make_unique<RingPort>("back" + number, mempool, transmit_entries);
    if (!twin.empty()) REQUIRE(front->port->AddTwin(twin, mempool).ok());
    world.AddBackend(3, channel::Encapsulation::kIpip, "10.0.0.1", "10.0.0.3");
    world.SetPool(0, 3);
    REQUIRE(world.AddVip(5, "192.0.2.80", 80, IpProtocol::kTcp, 0));
    world.tables.flow_key_digest = 1;
    published.store(&world.tables);
    publisher = std::make_unique<Publisher>(1);
    worker =
        std::make_unique<Worker>(Worker::Options{.index = 0,
                                                 .idle = IdleMode::kAdaptive,
                                                 .published = &published,
                                                 .quiescence = publisher->quiescence(),
                                                 .flows = &world.flows,
                                                 .peers = {&peer.flows},
                                                 .ports = {front->port.get(), back->port.get()},
                                                 .limits = limits});
    worker_in_use = worker.get();
  }
  ~Bench() {
    if (thread.joinable()) StopAndJoin();
    worker.reset();
    front.reset();
    back.reset();
    rte_mempool_free(mempool);
  }

  void Start() {
    thread = std::thread([this] { worker_in_use->Run(); });
  }
  void StopAndJoin() {
    worker_in_use->RequestStop();
    thread.join();
  }
  void Send(const std::vector<uint8_t>& frame) {
    REQUIRE(rte_ring_enqueue(front->receive, Buffered(frame.data(), frame.size())) == 0);
  }
  void SendScattered(const std::vector<uint8_t>& frame) {
    constexpr size_t kHeadBytes = 40;
    rte_mbuf* head = Buffered(frame.data(), kHeadBytes);
    REQUIRE(rte_pktmbuf_chain(head, Buffered(&frame[kHeadBytes], frame.size() - kHeadBytes)) == 0);
    REQUIRE(rte_ring_enqueue(front->receive, head) == 0);
  }
  rte_mbuf* Buffered(const uint8_t* bytes, size_t count) {
    rte_mbuf* mbuf = rte_pktmbuf_alloc(mempool);
    REQUIRE(mbuf != nullptr);
    char* room = rte_pktmbuf_append(mbuf, static_cast<uint16_t>(count));
    REQUIRE(room != nullptr);
    std::memcpy(room, bytes, count);
    return mbuf;
  }
  CounterValues Counters() const { return worker_in_use->counters().ReadConsistent(); }
  // Until the worker has counted `packets` received ones, at most 5 s.
  void AwaitReceived(uint64_t packets) const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (Counters()[Counter::received_packets] < packets &&
           std::chrono::steady_clock::now() < deadline) {
      std::this_thread::yield();
    }
    REQUIRE(Counters()[Counter::received_packets] == packets);
  }

  rte_mempool* mempool = nullptr;
  World world;
  World peer;  // whose flow table stands for another worker's
  std::unique_ptr<RingPort> front;
  std::unique_ptr<RingPort> back;
  std::atomic<const Snapshot*> published{nullptr};
  std::unique_ptr<Publisher> publisher;
  std::unique_ptr<Worker> worker;
  Worker* worker_in_use = nullptr;  // also while a test has taken it over
  std::thread thread;
};

inline std::vector<uint8_t> VipFrame(uint16_t source_port) {
  PacketSpec spec;
  spec.source = "198.51.100.9";
  spec.destination = "192.0.2.80";
  spec.source_port = source_port;
  spec.destination_port = 80;
  return Frame(spec);
}

inline std::vector<uint8_t> OtherFrame() {
  PacketSpec spec;
  spec.source = "198.51.100.9";
  spec.destination = "192.0.2.99";
  return Frame(spec);
}

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_DATAPLANE_WORKER_BENCH_H_
