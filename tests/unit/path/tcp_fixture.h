// A worker's tables and path for one TCP and one UDP service with three backends, and single
// packets of it by ports and flags.
#ifndef GUIDEWAY_TESTS_UNIT_PATH_TCP_FIXTURE_H_
#define GUIDEWAY_TESTS_UNIT_PATH_TCP_FIXTURE_H_

#include <catch2/catch.hpp>
#include <deque>
#include <optional>
#include <vector>

#include "tests/unit/path/packet_builder.h"

namespace guideway {

inline constexpr uint8_t kSyn = kTcpSyn, kAck = kTcpAck, kFin = kTcpFin | kTcpAck, kRst = kTcpRst;

// Backend n leaves by port n. VIP 0 is TCP, VIP 1 UDP, both of pool 0, which is backend 0's.
struct TcpWorld : World {
  explicit TcpWorld(uint64_t flow_capacity = 4096) : World(flow_capacity) {
    for (uint16_t i = 0; i < 3; ++i) {
      AddBackend(i, channel::Encapsulation::kL2, "", "203.0.113.1" + std::to_string(i))
          .next_hop.port = i;
    }
    SetPool(0, 0);
    REQUIRE(AddVip(0, "198.51.100.1", 80, IpProtocol::kTcp, 0));
    REQUIRE(AddVip(1, "198.51.100.1", 80, IpProtocol::kUdp, 0));
  }

  void Run(const std::vector<PacketSpec>& specs) {
    buffers.clear();
    burst = Burst{};
    for (const PacketSpec& spec : specs) {
      buffers.emplace_back(Frame(spec), uint16_t{64});
      buffers.back().Fill(burst.packets[burst.count++]);
    }
    state.counted = CounterValues{};
    ProcessBurst(burst, tables, state);
  }
  // Which backend got it; -1: nobody.
  int Send(const PacketSpec& spec) {
    Run({spec});
    const Packet& packet = burst.packets[0];
    return packet.verdict == Verdict::kForward ? packet.transmit_port : -1;
  }
  int Tcp(uint8_t flags, uint16_t payload_bytes = 0, uint16_t port = 40000) {
    return Send({.source_port = port, .tcp_flags = flags, .payload_bytes = payload_bytes});
  }
  int Data(uint16_t port = 40000) { return Tcp(kAck, 10, port); }
  int Udp() { return Send({.protocol = IpProtocol::kUdp}); }
  void Wait(uint32_t seconds) {
    state.now_s += seconds;
    state.now_ms += uint64_t{seconds} * 1000;
  }
  uint64_t Counted(Counter counter) const { return state.counted[counter]; }
  // Of the flow of the packet sent last.
  std::optional<FlowView> View() const {
    return flows.Inspect(burst.packets[0].flow_hash, state.now_s);
  }
  FlowState StateOfLast() const { return View().has_value() ? View()->state : FlowState::kFree; }
  void CountAll() {
    const auto nobody = [](BackendId) { return false; };
    while (!flows.counts_all()) flows.Sweep(64, state.now_s, nobody, [](BackendId) {});
  }

  std::deque<Buffer> buffers;
  Burst burst;
};

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_PATH_TCP_FIXTURE_H_
