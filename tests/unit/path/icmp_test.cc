// The rules about ICMP that take more than one packet or table; the golden packets have the bytes.
#include <catch2/catch.hpp>

#include "tests/unit/path/icmp_builder.h"

namespace guideway {
namespace {

// One VIP in both families; backends 0 to 2 behind ports 0 to 2.
struct Fixture : World {
  Fixture() {
    for (uint16_t i = 0; i < 3; ++i) {
      AddBackend(i, channel::Encapsulation::kL2, "", "203.0.113.1" + std::to_string(i))
          .next_hop.port = i;
    }
    SetPool(0, 0);
    for (const IpProtocol protocol : {IpProtocol::kTcp, IpProtocol::kUdp}) {
      REQUIRE(AddVip(vips++, "198.51.100.1", 80, protocol, 0));
      REQUIRE(AddVip(vips++, "2001:db8:a::1", 80, protocol, 0));
    }
  }
  const Packet& Send(const std::vector<uint8_t>& frame) {
    buffer = std::make_unique<Buffer>(frame, uint16_t{64});
    burst.count = 1;
    buffer->Fill(burst.packets[0]);
    state.counted = CounterValues{};
    ProcessBurst(burst, tables, state);
    return burst.packets[0];
  }
  // The backend of a forwarded packet.
  int BackendOf(const std::vector<uint8_t>& frame) {
    const Packet& packet = Send(frame);
    return packet.verdict == Verdict::kForward ? packet.transmit_port : -1;
  }

  uint32_t vips = 0;
  std::unique_ptr<Buffer> buffer;
  Burst burst;
};

std::vector<uint8_t> Client(bool v6, IpProtocol protocol, uint8_t tcp_flags = kTcpAck,
                            uint16_t port = 40000) {
  PacketSpec spec;
  spec.source_port = port;
  if (v6) {
    spec.source = "2001:db8::1";
    spec.destination = "2001:db8:a::1";
  }
  spec.protocol = protocol;
  spec.tcp_flags = tcp_flags;
  return Frame(spec);
}

TEST_CASE("errors go where the flow is: own table, then the peers', then the Maglev table") {
  Fixture own, first_peer, second_peer;
  const FlowTable* const peers[] = {&first_peer.flows, &second_peer.flows};
  own.state.peers = peers;
  for (const bool v6 : {false, true}) {
    for (const IpProtocol protocol : {IpProtocol::kTcp, IpProtocol::kUdp}) {
      const std::vector<uint8_t> client = Client(v6, protocol);
      own.SetPool(0, 0);
      CHECK(own.BackendOf(ErrorAbout(client)) == 0);
      own.SetPool(0, 1);
      CHECK(own.BackendOf(ErrorAbout(client)) == 1);  // the first one was not entered
      CHECK(own.Send(ErrorAbout(client)).vip != kNoVip);
      second_peer.SetPool(0, 2);
      CHECK(second_peer.BackendOf(client) == 2);
      CHECK(own.BackendOf(ErrorAbout(client)) == 2);
      CHECK(own.BackendOf(ErrorAbout(client, v6 ? 48 : 28)) == 2);  // 8 bytes of transport
      own.SetPool(0, 0);
      CHECK(own.BackendOf(client) == 2);  // taken over
      CHECK(own.BackendOf(ErrorAbout(client)) == 2);
      const std::vector<uint8_t> of_both = Client(v6, protocol, kTcpAck, 40001);
      CHECK(own.BackendOf(of_both) == 0);  // nobody knew it
      CHECK(second_peer.BackendOf(of_both) == 2);
      CHECK(own.BackendOf(ErrorAbout(of_both)) == 0);
    }
  }
}

TEST_CASE("a peer's flow counts only while it lives and its backend keeps its flows") {
  Fixture own, peer;
  const FlowTable* const peers[] = {&peer.flows};
  own.state.peers = peers;
  const std::vector<uint8_t> client = Client(false, IpProtocol::kUdp);
  peer.SetPool(0, 2);
  CHECK(peer.BackendOf(client) == 2);
  CHECK(own.BackendOf(ErrorAbout(client)) == 2);
  SECTION("timed out") { own.state.now_s += own.tables.timeouts.udp_s; }
  SECTION("unhealthy") { own.backends[2].keeps_known_flows = false; }
  SECTION("another backend by now") { own.backends[2].id += 1u << 16; }
  SECTION("the table begins anew") { peer.flows.Clear(7); }
  CHECK(own.BackendOf(ErrorAbout(client)) == 0);
}

TEST_CASE("errors neither enter nor refresh nor close a flow, and count as no hit or miss") {
  Fixture f;
  const std::vector<uint8_t> client = Client(false, IpProtocol::kTcp);
  f.Send(ErrorAbout(client));
  uint64_t flows = 0;
  const auto count = [&](uint64_t, BackendId, FlowState, uint32_t) { ++flows; };
  f.flows.ForEach(count);
  CHECK(flows == 0);
  f.Send(client);
  const uint32_t began = f.state.now_s;
  f.state.now_s += 5;
  f.Send(ErrorAbout(client));
  CHECK(f.state.counted[Counter::flow_hits] == 0);
  CHECK(f.state.counted[Counter::flow_misses] == 0);
  const FlowEntry* entry = f.flows.Find(f.burst.packets[0].flow_hash, f.state.now_s);
  REQUIRE(entry != nullptr);
  CHECK(FlowTable::TimesOutAt(*entry) == began + f.tables.timeouts.established_s);
  CHECK(FlowTable::State(*entry) == FlowState::kPickedUp);
}

TEST_CASE("nothing configured: all ICMP is the kernel's") {
  Fixture f;
  f.tables = Snapshot{};
  CHECK(f.Send(EchoRequest("192.0.2.1", "198.51.100.1")).verdict == Verdict::kToKernel);
  CHECK(f.Send(ErrorAbout(Client(true, IpProtocol::kTcp))).verdict == Verdict::kToKernel);
}

TEST_CASE("ICMP between other packets of a burst") {
  Fixture f;
  const std::vector<std::vector<uint8_t>> frames = {
      Client(false, IpProtocol::kTcp, kTcpSyn), EchoRequest("192.0.2.1", "198.51.100.1"),
      ErrorAbout(Client(false, IpProtocol::kTcp)), EchoRequest("2001:db8::9", "2001:db8:a::2"),
      Client(true, IpProtocol::kUdp)};
  const Verdict verdicts[] = {Verdict::kForward, Verdict::kAnswer, Verdict::kForward,
                              Verdict::kToKernel, Verdict::kForward};
  std::vector<Buffer> buffers;
  for (const std::vector<uint8_t>& frame : frames) {
    buffers.emplace_back(frame, uint16_t{64});
    buffers.back().Fill(f.burst.packets[f.burst.count++]);
  }
  ProcessBurst(f.burst, f.tables, f.state);
  for (size_t i = 0; i < frames.size(); ++i) {
    CAPTURE(i);
    CHECK(f.burst.packets[i].verdict == verdicts[i]);
  }
  CHECK(f.state.counted[Counter::flow_misses] == 2);
}

}  // namespace
}  // namespace guideway
