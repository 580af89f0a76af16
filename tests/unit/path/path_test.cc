// The rules of the path that take more than one packet: which flow is known, when it is entered,
// what happens to it when tables change.
#include <catch2/catch.hpp>
#include <deque>

#include "tests/unit/path/packet_builder.h"

namespace guideway {
namespace {

constexpr uint8_t kSyn = kTcpSyn, kAck = kTcpAck, kFin = kTcpFin | kTcpAck, kRst = kTcpRst;

// A TCP VIP and a UDP VIP on one address, pool 0, backends 0 and 1 (L2).
struct Fixture : World {
  explicit Fixture(uint64_t flow_capacity = 4096) : World(flow_capacity) {
    for (uint16_t i = 0; i < 2; ++i) {
      AddBackend(i, channel::Encapsulation::kL2, "", "203.0.113.1" + std::to_string(i))
          .next_hop.port = i;
    }
    SetPool(0, 0);
    REQUIRE(AddVip(0, "198.51.100.1", 80, IpProtocol::kTcp, 0));
    REQUIRE(AddVip(1, "198.51.100.1", 80, IpProtocol::kUdp, 0));
  }

  Burst& Run(const std::vector<PacketSpec>& specs) {
    buffers.clear();
    burst = Burst{};
    for (const PacketSpec& spec : specs) {
      buffers.emplace_back(Frame(spec), uint16_t{64});
      buffers.back().Fill(burst.packets[burst.count++]);
    }
    state.counted = CounterValues{};
    ProcessBurst(burst, tables, state);
    return burst;
  }
  const Packet& Send(const PacketSpec& spec) { return Run({spec}).packets[0]; }
  const Packet& Tcp(uint8_t flags) { return Send({.tcp_flags = flags}); }
  const Packet& Udp() { return Send({.protocol = IpProtocol::kUdp}); }
  uint64_t Counted(Counter counter) const { return state.counted[counter]; }
  // The flow table's entry of the packet sent last.
  FlowEntry* Entry() { return flows.Find(burst.packets[0].flow_hash, state.now_s); }
  FlowState StateOfLast() { return FlowTable::State(*Entry()); }

  std::deque<Buffer> buffers;
  Burst burst;
};

TEST_CASE("a known flow stays with its backend when the Maglev table changes") {
  Fixture f;
  for (const bool udp : {false, true}) {
    f.SetPool(0, 0);
    const Packet& first = udp ? f.Udp() : f.Tcp(kSyn);
    CHECK(first.verdict == Verdict::kForward);
    CHECK(first.transmit_port == 0);
    CHECK(first.new_flow);
    CHECK(first.vip == (udp ? 1 : 0));
    CHECK(f.Counted(Counter::flow_misses) == 1);
    CHECK(f.Counted(Counter::flow_inserts) == 1);
    f.SetPool(0, 1);
    const Packet& second = udp ? f.Udp() : f.Tcp(kAck);
    CHECK(second.transmit_port == 0);
    CHECK_FALSE(second.new_flow);
    CHECK(f.Counted(Counter::flow_hits) == 1);
    CHECK(f.Counted(Counter::flow_misses) == 0);
  }
}

TEST_CASE("a known flow is selected anew once its backend is not to keep it") {
  Fixture f;
  f.Tcp(kSyn);
  f.SetPool(0, 1);
  SECTION("unhealthy or disabled") { f.backends[0].keeps_known_flows = false; }
  SECTION("removed") { f.backends[0] = {}; }
  SECTION("index given to another backend") { f.backends[0].id = 2u << 16 | 0; }
  SECTION("index beyond the table") {
    f.tables.backends = f.tables.backends.subspan(1);  // what was backend 1 is at index 0 now
    f.SetPool(0, 0);
  }
  const Packet& moved = f.Tcp(kAck);
  CHECK(moved.transmit_port == 1);
  CHECK(f.Counted(Counter::flow_misses) == 1);
  CHECK_FALSE(moved.new_flow);
  CHECK(f.Entry()->backend.load() == f.backends[1].id);
}

TEST_CASE("a drained backend keeps its flows and gets no new ones") {
  Fixture f;
  f.Tcp(kSyn);
  f.SetPool(0, 1);  // draining: out of the Maglev table, still there and keeping flows
  CHECK(f.Tcp(kAck).transmit_port == 0);
  CHECK(f.Send({.source_port = 40001}).transmit_port == 1);
}

TEST_CASE("a SYN starts a flow anew; a SYN with ACK does not") {
  Fixture f;
  f.Tcp(kSyn);
  f.Tcp(kAck);
  f.SetPool(0, 1);
  CHECK(f.Tcp(kTcpSyn | kTcpAck).transmit_port == 0);
  CHECK(f.Tcp(kSyn).transmit_port == 1);
  CHECK(f.StateOfLast() == FlowState::kHalfOpen);
  CHECK(f.Counted(Counter::flow_inserts) == 0);  // the flow had its entry already
  CHECK(f.Tcp(kAck).transmit_port == 1);
}

TEST_CASE("states follow the flags") {
  Fixture f;
  f.Tcp(kSyn);
  CHECK(f.StateOfLast() == FlowState::kHalfOpen);
  f.Tcp(kAck);
  CHECK(f.StateOfLast() == FlowState::kEstablished);
  f.Tcp(kFin);
  CHECK(f.StateOfLast() == FlowState::kHalfClosed);
  f.state.now_s += 10;
  f.Send({.tcp_flags = kAck, .payload_bytes = 0});
  CHECK(f.StateOfLast() == FlowState::kHalfClosed);
  CHECK(FlowTable::TimesOutAt(*f.Entry()) == f.state.now_s + f.tables.timeouts.half_closed_s);
  f.Tcp(kRst);
  CHECK(f.StateOfLast() == FlowState::kHalfClosedEnding);
  CHECK(FlowTable::TimesOutAt(*f.Entry()) == f.state.now_s + f.tables.timeouts.closing_s);
  f.Tcp(kSyn);
  CHECK(f.StateOfLast() == FlowState::kHalfOpen);
  f.Udp();
  CHECK(f.StateOfLast() == FlowState::kUdpFirst);
  f.Udp();
  CHECK(f.StateOfLast() == FlowState::kUdp);
}

TEST_CASE("a SYN of a flow that is established where it would go anyway leaves it so") {
  Fixture f;
  f.Tcp(kSyn);
  f.Tcp(kAck);
  CHECK(f.Tcp(kSyn).transmit_port == 0);
  CHECK(f.StateOfLast() == FlowState::kEstablished);
}

TEST_CASE("a closing flow stays with its backend until a SYN uses its ports again") {
  Fixture f;
  f.Tcp(kSyn);
  f.Tcp(kFin);
  f.SetPool(0, 1);
  CHECK(f.Tcp(kRst).transmit_port == 0);
  CHECK(f.StateOfLast() == FlowState::kHalfClosedEnding);
  CHECK(f.Tcp(kSyn).transmit_port == 1);
  CHECK(f.StateOfLast() == FlowState::kHalfOpen);
}

TEST_CASE("every VIP's flows have its own timeouts, those without theirs the common ones") {
  Fixture f;
  const FlowTimeouts own[] = {
      {.half_open_s = 5, .established_s = 50, .closing_s = 3, .half_closed_s = 7}};
  f.tables.vip_timeouts = own;  // of VIP 0; VIP 1 is beyond them
  const auto left = [&] { return FlowTable::TimesOutAt(*f.Entry()) - f.state.now_s; };
  f.Tcp(kSyn);
  CHECK(left() == 5);
  f.Tcp(kAck);
  CHECK(left() == 50);
  f.Tcp(kFin);
  CHECK(left() == 7);
  f.Tcp(kRst);
  CHECK(left() == 3);
  f.Udp();
  CHECK(left() == f.tables.timeouts.udp_s);
  f.Send({.source_port = 40001, .tcp_flags = kAck});
  CHECK(left() == 50);
}

TEST_CASE("flows met in the middle: data is picked up, FIN ending, RST not entered at all") {
  Fixture f;
  f.Tcp(kAck);
  CHECK(f.StateOfLast() == FlowState::kPickedUp);
  f.Tcp(kAck);
  CHECK(f.StateOfLast() == FlowState::kEstablished);
  f.Send({.source_port = 2, .tcp_flags = kFin});
  CHECK(f.StateOfLast() == FlowState::kHalfClosedEnding);
  const Packet& reset = f.Send({.source_port = 3, .tcp_flags = kRst});
  CHECK(reset.verdict == Verdict::kForward);
  CHECK_FALSE(reset.new_flow);
  CHECK(f.Entry() == nullptr);
  CHECK(f.Counted(Counter::flow_inserts) == 0);
  CHECK(f.Counted(Counter::flow_insert_failures) == 0);
}

// Two GUE backends; the slots of the pool have gone from 1 to 0.
struct SecondChance : Fixture {
  SecondChance() {
    for (uint16_t i = 0; i < 2; ++i) {
      Backend& backend = AddBackend(i, channel::Encapsulation::kGue, "203.0.113.100",
                                    "203.0.113.1" + std::to_string(i));
      backend.next_hop.port = i;
      backend.gue_hop_list = true;
      backend.gue_port = Be16(6080);
    }
    SetPool(0, 0, 1);
  }
  bool Offered(uint8_t flags) {
    const Packet& packet = Tcp(flags);
    REQUIRE(packet.verdict == Verdict::kForward);
    CHECK(packet.transmit_port == 0);
    CHECK((packet.alternate == nullptr || packet.alternate == &backends[1]));
    return packet.alternate != nullptr;
  }
};

TEST_CASE("second chance: unknown flows of a changed slot are offered to both owners") {
  SecondChance f;
  CHECK(f.Offered(kAck));
  CHECK(f.Counted(Counter::flow_inserts) == 0);
  CHECK(f.Entry() == nullptr);
  CHECK(f.Offered(kFin));
  CHECK(f.Offered(kRst));
  CHECK_FALSE(f.Offered(kSyn));  // new, so it is the current owner's
  CHECK_FALSE(f.Offered(kAck));
  CHECK(f.Counted(Counter::flow_hits) == 1);
  CHECK(f.Udp().alternate == nullptr);
}

TEST_CASE("second chance: a known flow of the last owner goes there and nowhere else") {
  SecondChance f;
  f.SetPool(0, 1);
  f.Tcp(kSyn);
  f.SetPool(0, 0, 1);
  const Packet& packet = f.Tcp(kAck);
  CHECK(packet.transmit_port == 1);
  CHECK(packet.alternate == nullptr);
}

TEST_CASE("second chance: without somebody to pass it on to, the flow is entered") {
  SecondChance f;
  SECTION("slot never changed") { f.SetPool(0, 0); }
  SECTION("nobody had it") { f.SetPool(0, 0, kNoBackend); }
  SECTION("last owner is gone") { f.backends[1] = {}; }
  SECTION("last owner is to keep no flows") { f.backends[1].keeps_known_flows = false; }
  SECTION("last owner is beyond the table") { f.tables.backends = f.tables.backends.first(1); }
  SECTION("last owner takes no GUE") {
    f.backends[1].encapsulation = channel::Encapsulation::kIpip;
  }
  SECTION("last owner is of the other family") {
    f.backends[1].outer_destination = Address("2001:db8::1");
  }
  SECTION("switched off") { f.backends[0].gue_hop_list = false; }
  CHECK_FALSE(f.Offered(kAck));
  CHECK(f.Counted(Counter::flow_inserts) == 1);
}

TEST_CASE("a flow that timed out is new") {
  Fixture f;
  f.Udp();
  f.state.now_s += f.tables.timeouts.udp_s;
  f.SetPool(0, 1);
  CHECK(f.Udp().transmit_port == 1);
  CHECK(f.Counted(Counter::flow_inserts) == 1);
}

TEST_CASE("a burst with several packets of one new flow enters it once") {
  Fixture f;
  const Burst& burst = f.Run({{.tcp_flags = kSyn}, {.tcp_flags = kAck}, {.tcp_flags = kAck}});
  CHECK(burst.packets[0].new_flow);
  CHECK_FALSE(burst.packets[1].new_flow);
  CHECK(f.Counted(Counter::flow_inserts) == 1);
  CHECK(f.Counted(Counter::flow_misses) == 3);
  CHECK(f.StateOfLast() == FlowState::kEstablished);
}

TEST_CASE("a full flow table still forwards, and says how it fared") {
  Fixture f(1);  // 8 flows
  uint64_t inserts = 0, evictions = 0, failures = 0;
  const auto send = [&](uint16_t port, uint8_t flags) {
    const Packet& packet = f.Send({.source_port = port, .tcp_flags = flags});
    REQUIRE(packet.verdict == Verdict::kForward);
    inserts += f.Counted(Counter::flow_inserts);
    evictions += f.Counted(Counter::flow_evictions);
    failures += f.Counted(Counter::flow_insert_failures);
    CHECK(packet.new_flow == (f.Counted(Counter::flow_inserts) == 1));
  };
  for (uint16_t port = 1; port <= 100; ++port) send(port, kSyn);
  CHECK(inserts == 100);
  CHECK(evictions == 92);
  CHECK(failures == 0);
  for (uint16_t port = 101; port <= 108; ++port) {
    send(port, kSyn);
    send(port, kAck);  // established
  }
  CHECK(inserts == 108);
  CHECK(evictions == 100);
  for (const uint8_t flags : {kSyn, kAck, kFin}) send(200, flags);
  CHECK(inserts == 108);
  CHECK(evictions == 100);
  CHECK(failures == 3);
}

TEST_CASE("nothing configured: everything is the kernel's, but broken IP is dropped") {
  Fixture f;
  const Snapshot nothing;
  std::vector<uint8_t> frame = Frame({});
  for (const bool broken : {false, true}) {
    if (broken) frame[14 + 8] ^= 1;  // TTL, so the checksum is wrong
    Buffer buffer(frame, 64);
    Burst burst;
    burst.count = 1;
    buffer.Fill(burst.packets[0]);
    ProcessBurst(burst, nothing, f.state);
    CHECK(burst.packets[0].verdict == (broken ? Verdict::kDrop : Verdict::kToKernel));
  }
}

TEST_CASE("pools that are not there, empty or name nobody's index: no_backend") {
  Fixture f;
  SECTION("nobody") { f.SetPool(0, kNoBackend); }
  SECTION("pool does not exist") { f.pools[0] = Pool{}; }
  SECTION("pool beyond the table") { f.tables.pools = {}; }
  SECTION("backend does not exist") { f.backends[0] = {}; }
  SECTION("backend beyond the table") { f.tables.backends = {}; }
  const Packet& packet = f.Tcp(kSyn);
  CHECK(packet.verdict == Verdict::kDrop);
  CHECK(packet.drop_reason == DropReason::no_backend);
  CHECK(packet.vip == 0);
  CHECK(f.Counted(Counter::flow_misses) == 1);
  CHECK(f.Counted(Counter::flow_inserts) == 0);
}

TEST_CASE("a full burst of all kinds: each packet gets its own verdict") {
  Fixture f;
  std::vector<PacketSpec> specs;
  for (uint16_t i = 0; i < kBurstCapacity; ++i) {
    PacketSpec spec{.source_port = i};
    if (i % 4 == 1) spec.destination_port = 81;
    if (i % 4 == 2) spec.ttl = 1;
    if (i % 4 == 3) spec.protocol = IpProtocol::kUdp;
    specs.push_back(spec);
  }
  const Burst& burst = f.Run(specs);
  for (uint16_t i = 0; i < kBurstCapacity; ++i) {
    const Packet& packet = burst.packets[i];
    CAPTURE(i);
    if (i % 4 == 1) {
      CHECK(packet.verdict == Verdict::kToKernel);
      CHECK(packet.vip == kNoVip);
    } else if (i % 4 == 2) {
      CHECK(packet.verdict == Verdict::kDrop);
      CHECK(packet.drop_reason == DropReason::ttl_expired);
      CHECK(packet.vip == 0);
    } else {
      CHECK(packet.verdict == Verdict::kForward);
    }
  }
}

TEST_CASE("a reused burst carries nothing over from the packets before") {
  Fixture f;
  f.Send({.protocol = IpProtocol::kUdp, .ttl = 1});
  const Burst before = f.burst;
  CHECK(before.packets[0].verdict == Verdict::kDrop);
  Buffer buffer(Frame({}), 64);
  f.burst.count = 1;
  buffer.Fill(f.burst.packets[0]);
  ProcessBurst(f.burst, f.tables, f.state);
  CHECK(f.burst.packets[0].verdict == Verdict::kForward);
  CHECK(f.burst.packets[0].new_flow);
}

}  // namespace
}  // namespace guideway
