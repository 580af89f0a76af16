// The short cuts for plain packets say and write what the paths for all packets do: ParseHeaders
// against ParseFrame, Encapsulate to a backend with a plain outer header against the same without.
#include <catch2/catch.hpp>
#include <functional>
#include <random>

#include "dataplane/path/forward_plain.h"
#include "dataplane/path/parse_headers.h"
#include "tests/unit/path/packet_builder.h"

namespace guideway {
namespace {

std::vector<PacketSpec> Specs() {
  std::vector<PacketSpec> specs;
  for (const bool ipv6 : {false, true}) {
    for (const IpProtocol protocol : {IpProtocol::kTcp, IpProtocol::kUdp}) {
      for (const bool dont_fragment : {false, true}) {
        PacketSpec spec;
        if (ipv6) spec.source = "2001:db8:1::1", spec.destination = "2001:db8::1";
        spec.protocol = protocol;
        spec.tcp_flags = dont_fragment ? kTcpSyn : kTcpAck;
        spec.payload = {2, 4, 5, 0xb4};  // an MSS option, if the header is long enough
        spec.payload_bytes = 24;
        spec.dont_fragment = dont_fragment;
        specs.push_back(spec);
      }
    }
  }
  return specs;
}

void RepairChecksum(std::vector<uint8_t>& frame) {
  if (frame.size() < 34 || frame[12] != 8 || frame[14] != 0x45) return;
  frame[24] = frame[25] = 0;
  const Be16 checksum = InternetChecksum(&frame[14], sizeof(Ipv4Header));
  std::memcpy(&frame[24], &checksum, sizeof(checksum));
}

// As a former packet may have left it.
Packet Used(Buffer& buffer) {
  Packet packet;
  packet.verdict = Verdict::kDrop;
  packet.kind = PacketKind::kIcmp;
  packet.tcp_flags = kTcpSyn;
  packet.new_flow = packet.defective = packet.ports_known = true;
  packet.transport_offset = packet.ip_length_bytes = 7;
  packet.key = {.source = Address("192.0.2.77"),
                .destination = Address("192.0.2.78"),
                .source_port = Be16(1),
                .destination_port = Be16(2)};
  packet.vip = packet.max_segment_size = 9;
  static const Backend kBackend;
  packet.backend = packet.alternate = &kBackend;
  buffer.Fill(packet);
  return packet;
}

void CheckSameParse(const std::vector<uint8_t>& frame) {
  Buffer buffer(frame, 64);
  Burst burst;
  burst.count = 1;
  Packet& plain = burst.packets[0];
  plain = Used(buffer);
  Packet all = Used(buffer);
  ParseHeaders(burst.packets[0]);
  ParseFrame(all);
  REQUIRE(plain.verdict == all.verdict);
  if (all.verdict == Verdict::kDrop) REQUIRE(plain.drop_reason == all.drop_reason);
  REQUIRE(plain.kind == all.kind);
  REQUIRE(plain.family == all.family);
  REQUIRE(plain.l3_offset == all.l3_offset);
  REQUIRE(plain.new_flow == all.new_flow);
  REQUIRE(plain.defective == all.defective);
  if (all.defective) REQUIRE(plain.defect == all.defect);
  REQUIRE(plain.ports_known == all.ports_known);
  REQUIRE(plain.transport_offset == all.transport_offset);
  REQUIRE(plain.ip_length_bytes == all.ip_length_bytes);
  REQUIRE(plain.tcp_flags == all.tcp_flags);
  REQUIRE(plain.key == all.key);
  REQUIRE(plain.vip == all.vip);
  REQUIRE(plain.max_segment_size == all.max_segment_size);
  REQUIRE(plain.backend == all.backend);
  REQUIRE(plain.alternate == all.alternate);
}

TEST_CASE("ParseHeaders says of every mutated packet what ParseFrame says") {
  std::mt19937 random(1);
  const auto specs = Specs();
  constexpr uint32_t kHeaderBytes = 78, kRounds = 200'000;
  for (uint32_t round = 0; round < kRounds; ++round) {
    std::vector<uint8_t> frame = Frame(specs[round % specs.size()]);
    for (auto changes = random() % 3; changes > 0; --changes) {
      frame[random() % std::min<size_t>(kHeaderBytes, frame.size())] =
          static_cast<uint8_t>(random());
    }
    if (random() % 4 != 0) RepairChecksum(frame);
    if (random() % 8 == 0) frame.resize(random() % (frame.size() + 1));
    CheckSameParse(frame);
  }
}

TEST_CASE("a plain packet takes the short cut, and only with room in front of it") {
  for (const PacketSpec& spec : Specs()) {
    const ShortCut own = Address(spec.source).IsIpv4() ? ShortCut::kIpv4 : ShortCut::kIpv6;
    for (const uint16_t headroom : std::vector<uint16_t>{71, 72, 128}) {
      Buffer buffer(Frame(spec), headroom);
      Packet packet;
      buffer.Fill(packet);
      ParseHeaders(packet);
      CHECK(packet.short_cut == (headroom < 72 ? ShortCut::kNone : own));
    }
  }
}

TEST_CASE("ParseHeaders judges addresses, flags and lengths as ParseFrame does") {
  for (const PacketSpec& spec : Specs()) {
    const std::vector<uint8_t> frame = Frame(spec);
    for (size_t at = 0; at < 78 && at < frame.size(); ++at) {
      for (uint32_t value = 0; value < 256; ++value) {
        std::vector<uint8_t> changed = frame;
        changed[at] = static_cast<uint8_t>(value);
        RepairChecksum(changed);
        CheckSameParse(changed);
      }
    }
    for (size_t length = 0; length <= frame.size(); ++length) {
      CheckSameParse({frame.begin(), frame.begin() + static_cast<ptrdiff_t>(length)});
    }
  }
  PacketSpec same = Specs()[0];
  for (const char* address : {"0.0.0.0", "0.0.0.1", "127.0.0.1", "126.255.255.255", "128.0.0.0",
                              "223.255.255.255", "224.0.0.1", "239.1.1.1", "240.0.0.1",
                              "255.255.255.254", "255.255.255.255", "198.51.100.1"}) {
    same.source = address;
    CheckSameParse(Frame(same));
  }
  same = Specs()[4];
  for (const char* address : {"::", "::1", "ff02::1", "fe80::1", "::2:0:0:1", "2001:db8::1"}) {
    same.source = address;
    CheckSameParse(Frame(same));
  }
}

struct Sent {
  Verdict verdict = Verdict::kPending;
  std::vector<uint8_t> frame;
  uint16_t port = 0;
};

Sent Send(const PacketSpec& spec, const Backend& backend, const Backend* alternate,
          uint16_t headroom_bytes, uint16_t max_segment_size) {
  std::vector<uint8_t> frame = Frame(spec);
  const bool ipv4 = Address(spec.source).IsIpv4();
  const size_t tcp_at = sizeof(EthernetHeader) + (ipv4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header));
  if (spec.protocol == IpProtocol::kTcp) frame[tcp_at + 12] = 6 << 4;
  Buffer buffer(frame, headroom_bytes);
  Burst burst;
  burst.count = 1;
  Packet& packet = burst.packets[0];
  buffer.Fill(packet);
  ParseHeaders(burst.packets[0]);
  packet.flow_hash = 0x123456789abcdef0;
  packet.backend = &backend;
  packet.alternate = alternate;
  packet.max_segment_size = max_segment_size;
  PathState state;
  state.next_ipv4_id = 77;
  state.now_ms = 1'000'000;
  Encapsulate(packet, state);
  return {packet.verdict, FrameOf(packet), packet.transmit_port};
}

// Whether the short cut takes a packet of 40 to 60 bytes to `backend`.
bool TakesShortCut(const PacketSpec& spec, const Backend& backend, const Backend* alternate) {
  Buffer buffer(Frame(spec), kShortCutHeadroomBytes);
  Packet packet;
  buffer.Fill(packet);
  ParseHeaders(packet);
  packet.backend = &backend;
  packet.alternate = alternate;
  PathState state;
  return ForwardPlain(packet, state);
}

// With and without the short cut; true if there was one.
bool CheckSameSent(const PacketSpec& spec, Backend& backend, const Backend* alternate,
                   uint16_t headroom_bytes) {
  for (const uint16_t max_segment_size : std::vector<uint16_t>{0, 1400}) {
    backend.plain_outer = PlainOuter::kNone;
    const Sent all = Send(spec, backend, alternate, headroom_bytes, max_segment_size);
    backend.plain_outer = PlainOuterOf(backend);
    const Sent plain = Send(spec, backend, alternate, headroom_bytes, max_segment_size);
    REQUIRE(plain.verdict == all.verdict);
    REQUIRE(plain.frame == all.frame);
    if (all.verdict == Verdict::kForward) REQUIRE(plain.port == all.port);
  }
  return backend.plain_outer != PlainOuter::kNone;
}

TEST_CASE("A plain outer header is what the path for all packets writes") {
  using channel::Encapsulation;
  World world;
  uint32_t plain_ones = 0;
  for (const Encapsulation encapsulation :
       {Encapsulation::kIpip, Encapsulation::kL2, Encapsulation::kGue, Encapsulation::kGre,
        Encapsulation::kL3dsr}) {
    for (const bool outer_ipv6 : {false, true}) {
      Backend& backend = world.AddBackend(3, encapsulation, outer_ipv6 ? "fd00::1" : "10.0.0.1",
                                          outer_ipv6 ? "fd00::3" : "10.0.0.3");
      const Backend& other = world.AddBackend(4, encapsulation, outer_ipv6 ? "fd00::1" : "10.0.0.1",
                                              outer_ipv6 ? "fd00::4" : "10.0.0.4");
      backend.gue_port = Be16(6080);
      backend.gue_zero_checksum6 = false;
      for (const PacketSpec& spec : Specs()) {
        for (const uint16_t mtu : std::vector<uint16_t>{0, 60, 90, 1500}) {
          backend.next_hop.mtu_bytes = mtu;
          for (const uint16_t headroom : std::vector<uint16_t>{0, 19, 20, 40, 71, 72, 80}) {
            backend.gue_hop_list = false;
            plain_ones += CheckSameSent(spec, backend, nullptr, headroom);
            backend.gue_hop_list = encapsulation == Encapsulation::kGue;
            plain_ones += CheckSameSent(spec, backend, nullptr, headroom);
            if (!backend.gue_hop_list) continue;
            plain_ones += CheckSameSent(spec, backend, &other, headroom);
            backend.gue_zero_checksum6 = !backend.gue_zero_checksum6;
          }
        }
      }
    }
  }
  CHECK(plain_ones > 0);
}

TEST_CASE("Every plain outer header has a short cut, with an alternate as well") {
  using channel::Encapsulation;
  World world;
  for (const Encapsulation encapsulation :
       {Encapsulation::kIpip, Encapsulation::kL2, Encapsulation::kGre, Encapsulation::kGue}) {
    for (const char* address : {"10.0.0.3", "fd00::3"}) {
      const bool ipv4 = Address(address).IsIpv4();
      Backend& backend = world.AddBackend(3, encapsulation, ipv4 ? "10.0.0.1" : "fd00::1", address);
      for (const PacketSpec& spec : {Specs()[0], Specs()[4]}) {
        backend.gue_hop_list = false;
        backend.plain_outer = PlainOuterOf(backend);
        CHECK(TakesShortCut(spec, backend, nullptr));
        if (encapsulation != Encapsulation::kGue) continue;
        backend.gue_hop_list = true;
        CHECK_FALSE(TakesShortCut(spec, backend, &backend));  // not what plain_outer says
        backend.plain_outer = PlainOuterOf(backend);
        CHECK(TakesShortCut(spec, backend, nullptr));
        CHECK(TakesShortCut(spec, backend, &backend));
      }
    }
  }
}

TEST_CASE("Only what needs no further look is a plain outer header") {
  World world;
  Backend& backend = world.AddBackend(3, channel::Encapsulation::kIpip, "10.0.0.1", "10.0.0.3");
  CHECK(PlainOuterOf(backend) == PlainOuter::kIpipIpv4);
  backend.source_flow_bits = 8;
  CHECK(PlainOuterOf(backend) == PlainOuter::kNone);
  backend.source_flow_bits = 0;
  backend.next_hop.vlan = Be16(7);
  CHECK(PlainOuterOf(backend) == PlainOuter::kNone);
  backend.next_hop.vlan = Be16(0);
  backend.outer_destination = Address("fd00::3");
  CHECK(PlainOuterOf(backend) == PlainOuter::kIpipIpv6);
  backend.encapsulation = channel::Encapsulation::kL2;
  CHECK(PlainOuterOf(backend) == PlainOuter::kL2);
  backend.encapsulation = channel::Encapsulation::kL3dsr;
  CHECK(PlainOuterOf(backend) == PlainOuter::kNone);
  backend.encapsulation = channel::Encapsulation::kGue;
  CHECK(PlainOuterOf(backend) == PlainOuter::kGueIpv6);
  backend.gue_hop_list = true;
  CHECK(PlainOuterOf(backend) == PlainOuter::kGueHopsIpv6);
  backend.gue_hop_list = false;
  backend.encapsulation = channel::Encapsulation::kGre;
  CHECK(PlainOuterOf(backend) == PlainOuter::kGreIpv6);
  backend.encapsulation = channel::Encapsulation::kGue;
  backend.outer_destination = Address("10.0.0.3");
  CHECK(PlainOuterOf(backend) == PlainOuter::kGueIpv4);
  backend.gue_hop_list = true;
  CHECK(PlainOuterOf(backend) == PlainOuter::kGueHopsIpv4);
  backend.encapsulation = channel::Encapsulation::kGre;
  CHECK(PlainOuterOf(backend) == PlainOuter::kGreIpv4);
  backend.encapsulation = channel::Encapsulation::kL3dsr;
  CHECK(PlainOuterOf(backend) == PlainOuter::kNone);
  backend.encapsulation = channel::Encapsulation::kIpip;
  backend.next_hop.mtu_bytes = 0;
  CHECK(PlainOuterOf(backend) == PlainOuter::kNone);
}

}  // namespace
}  // namespace guideway
