// Bursts of any frames through the whole path, with VIPs of every kind of pool in both families:
// every packet gets a verdict, the counters balance, what does not leave is as it came, what is
// forwarded decapsulates to what came, apart from TTL, padding and what L3DSR replaces, and what is
// answered is the answer to it.
//
// Input: packets, each as control (1 byte: what follows), length (2), frame. Control: bits 0-1
// headroom 128, 40, 20 or the next byte; bit 2 make the IPv4 header checksum right; bit 3 the burst
// ends here; bit 4 seconds that pass before the burst (2 bytes); bit 5 make an ICMP checksum right.
#include "dataplane/path/schedulers.h"
#include "lib/net/checksum.h"
#include "lib/net/headers.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/path/echo_answer.h"
#include "tests/unit/path/path_fixture.h"
#include "tests/unit/path/too_big_reply.h"

namespace guideway {
namespace {

constexpr uint32_t kMaxPackets = 256;  // of an input

void AddVipsWithMssLimit(World& world, uint32_t vip) {
  const struct {
    const char* address;
    uint16_t pool;
  } kVips[] = {
      {"198.51.100.35", 0}, {"198.51.100.36", 2}, {"198.51.100.37", 18}, {"2001:db8:a::38", 3}};
  for (const auto& [address, pool] : kVips) {
    FUZZ_CHECK(world.AddVip(vip++, address, 443, IpProtocol::kTcp, pool, 1400));
  }
}

// The tables that the golden packets are for.
std::unique_ptr<World> MakeWorld() {
  auto world = std::make_unique<World>(256);
  const auto kL2 = channel::Encapsulation::kL2, kIpip = channel::Encapsulation::kIpip;
  world->AddBackend(0, kL2, "", "203.0.113.10");
  world->AddBackend(1, kL2, "", "2001:db8:b::11");
  world->AddBackend(2, kIpip, "203.0.113.1", "203.0.113.12");
  world->AddBackend(3, kIpip, "2001:db8:1b::1", "2001:db8:b::13").next_hop.port = 2;
  world->AddBackend(4, kIpip, "203.0.113.1", "203.0.113.14").next_hop.mtu_bytes = 0;
  world->AddBackend(5, kL2, "", "203.0.113.15").next_hop.mtu_bytes = 576;
  world->AddBackend(7, channel::Encapsulation::kGre, "203.0.113.1", "203.0.113.17");
  world->AddBackend(10, channel::Encapsulation::kGue, "2001:db8:1b::1", "2001:db8:b::20");
  world->AddBackend(11, channel::Encapsulation::kGue, "203.0.113.1", "203.0.113.21");
  world->AddBackend(12, channel::Encapsulation::kGue, "2001:db8:1b::1", "2001:db8:b::22");
  for (const size_t gue : {10, 11, 12}) world->backends[gue].gue_port = Be16(6080);
  world->backends[11].gue_hop_list = world->backends[12].gue_hop_list = true;
  world->AddBackend(18, channel::Encapsulation::kL3dsr, "", "203.0.113.28").dscp = 63;
  world->AddBackend(19, channel::Encapsulation::kL3dsr, "", "2001:db8:b::29").dscp = 10;
  world->AddBackend(29, kIpip, "203.0.113.1", "203.0.113.43").next_hop.mtu_bytes = 100;
  world->AddBackend(30, kIpip, "2001:db8:1b::1", "2001:db8:b::44").next_hop.mtu_bytes = 100;
  for (const size_t on_vlan : {1, 7, 12}) world->backends[on_vlan].next_hop.vlan = Be16(300);
  constexpr uint16_t kOwnPools[] = {0, 1, 2, 3, 4, 5, 7, 10, 11, 18, 19, 29, 30};
  for (const uint16_t pool : kOwnPools) world->SetPool(pool, pool);
  world->SetPool(22, 12, 10);  // with second chance
  world->SetPool(6, kNoBackend);
  // Other schedulers change nothing where one backend has all slots.
  world->pools[1].scheduler = channel::Scheduler::kMaglevSource;
  world->pools[1].source_bits_ipv4 = 24;
  world->pools[1].source_bits_ipv6 = 56;
  static constexpr Candidate kCandidates[] = {{.slots = 7, .backend = 2},
                                              {.slots = 7, .backend = 3}};
  static constexpr uint16_t kTurns[] = {2};
  static constexpr uint32_t kShares[] = {0, 0, 7, 7};
  world->pools[2].scheduler = channel::Scheduler::kWeightedRoundRobin;
  world->pools[2].turns = kTurns;
  world->pools[3].scheduler = channel::Scheduler::kWeightedLeastConnections;
  world->pools[3].candidates = absl::MakeConstSpan(kCandidates).subspan(1);
  world->pools[7].scheduler = channel::Scheduler::kTwoChoices;
  for (const size_t stateful : {2, 3, 7}) world->pools[stateful].keeps_state = true;
  world->pools[3].breaker = {3, 2, channel::WhenFull::kDrop, {}};
  world->tables.shares = kShares;
  const struct {
    const char* address;
    uint16_t pool;
  } kBothProtocols[] = {{"198.51.100.1", 0},   {"2001:db8:a::2", 1},   {"198.51.100.3", 2},
                        {"198.51.100.4", 3},   {"2001:db8:a::5", 2},   {"2001:db8:a::6", 3},
                        {"198.51.100.33", 29}, {"2001:db8:a::33", 29}, {"198.51.100.34", 30}};
  uint32_t vip = 0;
  const auto add = [&](const char* address, uint16_t port, IpProtocol protocol, uint16_t pool) {
    FUZZ_CHECK(world->AddVip(vip++, address, port, protocol, pool));
  };
  for (const auto& [address, pool] : kBothProtocols) {
    add(address, 443, IpProtocol::kTcp, pool);
    add(address, 443, IpProtocol::kUdp, pool);
  }
  constexpr uint16_t kTunnelPools[] = {7, 10, 11, 18, 19, 22};
  for (const uint16_t pool : kTunnelPools) {
    for (const IpProtocol protocol : {IpProtocol::kTcp, IpProtocol::kUdp}) {
      add(("198.51.100." + std::to_string(100 + pool)).c_str(), 443, protocol, pool);
      add(("2001:db8:a::" + std::to_string(100 + pool)).c_str(), 443, protocol, pool);
    }
  }
  add("198.51.100.7", 0, IpProtocol::kUdp, 2);
  add("198.51.100.7", 53, IpProtocol::kUdp, 0);
  add("198.51.100.8", 80, IpProtocol::kTcp, 4);
  add("198.51.100.9", 80, IpProtocol::kUdp, 5);
  add("198.51.100.10", 80, IpProtocol::kTcp, 6);
  AddVipsWithMssLimit(*world, vip);
  for (const char* quic : {"198.51.100.132", "2001:db8:a::132"}) {
    add(quic, 443, IpProtocol::kUdp, 0);
    const Aes128::Block key = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    world->AddQuicLb(quic, 443, 0, 3, 4, nullptr);
    world->AddQuicLb(quic, 443, 1, 3, 4, &key);
  }
  for (uint8_t number = 0; number < 5; ++number) {
    constexpr uint16_t kServers[] = {0, 2, 7, 10, 1};
    world->AddServerId(0, {0x5e, number, 0x33}, kServers[number]);
  }
  return world;
}

void MakeIpv4ChecksumRight(std::vector<uint8_t>& frame) {
  if (frame.size() < 34) return;
  auto* ip = reinterpret_cast<Ipv4Header*>(&frame[14]);
  if (ip->version() != 4 || ip->header_bytes() < 20 || 14 + ip->header_bytes() > frame.size()) {
    return;
  }
  ip->checksum = Be16(0);
  ip->checksum = InternetChecksum(&frame[14], ip->header_bytes());
}

// Only behind IP headers without options and extension headers.
void MakeIcmpChecksumRight(std::vector<uint8_t>& frame) {
  if (frame.size() < 62) return;
  const bool v4 = frame[12] == 0x08 && frame[14] == 0x45 && frame[23] == 1;
  const bool v6 = frame[12] == 0x86 && frame[20] == 58;
  const size_t end = 14u + (v4 ? frame[16] << 8 | frame[17] : 40 + (frame[18] << 8 | frame[19]));
  const size_t icmp_at = v4 ? 34 : 54;
  if ((v4 || v6) && icmp_at + 4 <= end && end <= frame.size()) FixIcmpChecksum(frame, icmp_at);
}

// Reads an IP packet's own length and lowers its TTL, as the path must have done.
std::vector<uint8_t> ExpectedInner(const std::vector<uint8_t>& frame) {
  std::vector<uint8_t> inner(frame.begin() + 14, frame.end());
  if (inner[0] >> 4 == 6) {
    inner.resize(40 + (inner[4] << 8 | inner[5]));
    --inner[7];
  } else {
    inner.resize(inner[2] << 8 | inner[3]);
    --inner[8];
    auto* ip = reinterpret_cast<Ipv4Header*>(inner.data());
    ip->checksum = Be16(0);
    ip->checksum = InternetChecksum(inner.data(), ip->header_bytes());
  }
  return inner;
}

// Takes the outer header off, after checking all of it that does not depend on the flow.
void CheckAndCutOuter(std::vector<uint8_t>& ip_packet, const Backend& backend, bool inner_v4) {
  IpProtocol inner_protocol = inner_v4 ? IpProtocol::kIpip : IpProtocol::kIpv6;
  if (backend.encapsulation == channel::Encapsulation::kGre) inner_protocol = IpProtocol::kGre;
  if (backend.encapsulation == channel::Encapsulation::kGue) inner_protocol = IpProtocol::kUdp;
  size_t outer_bytes = 0;
  if (backend.outer_destination.IsIpv4()) {
    FUZZ_CHECK(ip_packet.size() > sizeof(Ipv4Header));
    const auto& outer = *reinterpret_cast<const Ipv4Header*>(ip_packet.data());
    outer_bytes = sizeof(outer);
    FUZZ_CHECK(outer.version_ihl == 0x45 && Ipv4ChecksumIsRight(outer));
    FUZZ_CHECK(outer.total_length.host() == ip_packet.size());
    FUZZ_CHECK(outer.protocol == inner_protocol && !outer.is_fragment() && outer.ttl > 0);
    FUZZ_CHECK(outer.source == backend.outer_source.ipv4());
    FUZZ_CHECK(outer.destination == backend.outer_destination.ipv4());
  } else {
    FUZZ_CHECK(ip_packet.size() > sizeof(Ipv6Header));
    const auto& outer = *reinterpret_cast<const Ipv6Header*>(ip_packet.data());
    outer_bytes = sizeof(outer);
    FUZZ_CHECK(outer.version() == 6 && outer.payload_length.host() + 40u == ip_packet.size());
    FUZZ_CHECK(outer.next_header == inner_protocol && outer.hop_limit > 0);
    FUZZ_CHECK(IpAddress::FromIpv6(outer.source) == backend.outer_source);
    FUZZ_CHECK(IpAddress::FromIpv6(outer.destination) == backend.outer_destination);
  }
  ip_packet.erase(ip_packet.begin(), ip_packet.begin() + static_cast<ptrdiff_t>(outer_bytes));
}

void CheckAndCutShim(std::vector<uint8_t>& shim, const Backend& backend, bool inner_v4) {
  size_t shim_bytes = 4;
  FUZZ_CHECK(shim.size() > 12);
  if (backend.encapsulation == channel::Encapsulation::kGre) {
    FUZZ_CHECK(shim[0] == 0 && shim[1] == 0 && shim[2] == (inner_v4 ? 0x08 : 0x86));
  } else {
    const auto& udp = *reinterpret_cast<const UdpHeader*>(shim.data());
    FUZZ_CHECK(udp.length.host() == shim.size() && udp.destination_port == backend.gue_port);
    const bool ipv6 = !backend.outer_destination.IsIpv4();
    FUZZ_CHECK((udp.checksum == Be16(0)) == !ipv6);
    const size_t words = shim[8];
    const size_t hop_words = ipv6 ? 4 : 1;
    FUZZ_CHECK(words == 0 ? !backend.gue_hop_list : words == 1 + shim[15] * hop_words);
    FUZZ_CHECK(shim[9] == (inner_v4 ? 4 : 41));
    shim_bytes = 12 + words * 4;
  }
  shim.erase(shim.begin(), shim.begin() + static_cast<ptrdiff_t>(shim_bytes));
}

// Checks what L3DSR has replaced, and makes it the same in both.
void CheckL3dsr(std::vector<uint8_t>& left, std::vector<uint8_t>& came, const Packet& packet,
                bool v4) {
  const Backend& backend = *packet.backend;
  const size_t destination = v4 ? 16 : 24, address_bytes = v4 ? 4 : 16;
  size_t checksum = packet.transport_offset;
  if (IsLaterFragment(packet)) {
    checksum = left.size();
  } else if (packet.kind == PacketKind::kIcmp) {
    checksum += 2;
  } else {
    checksum += packet.key.protocol == IpProtocol::kTcp ? 16 : 6;
  }
  for (size_t i = 0; i < address_bytes; ++i) {
    FUZZ_CHECK(left[destination + i] == backend.outer_destination.bytes[16 - address_bytes + i]);
    came[destination + i] = left[destination + i];
  }
  const int dscp = v4 ? left[1] >> 2 : (left[0] & 15) << 2 | left[1] >> 6;
  FUZZ_CHECK(dscp == backend.dscp);
  const auto mask = static_cast<uint8_t>(v4 ? 0x03 : 0x3f);
  left[1] &= mask;
  came[1] &= mask;
  if (!v4) left[0] = came[0] = 0x60;
  if (checksum == left.size()) return;  // a later fragment has none
  left[checksum] = came[checksum] = left[checksum + 1] = came[checksum + 1] = 0;
}

void CheckForwarded(const std::vector<uint8_t>& came, const Packet& packet) {
  FUZZ_CHECK(packet.backend != nullptr && packet.backend->exists);
  const Backend& backend = *packet.backend;
  const std::vector<uint8_t> sent = FrameOf(packet);
  const std::vector<uint8_t> left = Untagged(sent);
  FUZZ_CHECK(VlanOf(sent) == backend.next_hop.vlan.host());
  FUZZ_CHECK(left.size() <= 14u + backend.next_hop.mtu_bytes);
  FUZZ_CHECK(packet.transmit_port == backend.next_hop.port);
  const auto& ethernet = *reinterpret_cast<const EthernetHeader*>(left.data());
  FUZZ_CHECK(ethernet.destination == backend.next_hop.destination_mac);
  FUZZ_CHECK(ethernet.source == backend.next_hop.source_mac);
  std::vector<uint8_t> inner(left.begin() + 14, left.end());
  FUZZ_CHECK(ethernet.type == (inner[0] >> 4 == 4 ? ether_type::kIpv4 : ether_type::kIpv6));

  std::vector<uint8_t> expected = ExpectedInner(came);
  const bool v4 = expected[0] >> 4 == 4;
  if (IsTunnel(backend.encapsulation)) {
    CheckAndCutOuter(inner, backend, v4);
    if (backend.encapsulation != channel::Encapsulation::kIpip) {
      CheckAndCutShim(inner, backend, v4);
    }
  }
  FUZZ_CHECK(inner.size() == expected.size());
  if (packet.max_segment_size != 0 && (packet.tcp_flags & kTcpSyn) != 0) {
    // Nothing but options and checksum; which options is for the unit test.
    const auto tcp = inner.begin() + packet.transport_offset;
    const ptrdiff_t end = std::min<ptrdiff_t>((tcp[12] >> 4) * 4, inner.end() - tcp);
    const auto expected_tcp = expected.begin() + packet.transport_offset;
    std::copy(tcp + 16, tcp + 18, expected_tcp + 16);
    std::copy(tcp + 20, tcp + end, expected_tcp + 20);
  }
  if (v4) {
    // 0x0000 and 0xffff are the same sum: an incremental update may end at the other one.
    FUZZ_CHECK(Ipv4ChecksumIsRight(*reinterpret_cast<const Ipv4Header*>(inner.data())));
    inner[10] = inner[11] = expected[10] = expected[11] = 0;
  }
  if (backend.encapsulation == channel::Encapsulation::kL3dsr) {
    CheckL3dsr(inner, expected, packet, v4);
  }
  FUZZ_CHECK(inner == expected);
}

class Traffic {
 public:
  explicit Traffic(World* world) : world_(*world) {
    world_.flows.Clear(1);
    world_.fragments.Clear();
    world_.state.now_s = 100000;
    world_.state.next_ipv4_id = 0;
    world_.state.too_big_replies = world_.state.echo_answers = TokenBucket(World::kNoLimit);
    world_.state.counted = CounterValues{};
  }

  void Run(fuzz::Input input) {
    for (uint32_t i = 0; i < kMaxPackets && !input.empty(); ++i) {
      const uint8_t control = input.U8();
      Receive(control, input);
      if ((control & 8) != 0 || frames_.size() == kBurstCapacity) Process();
    }
    Process();
    counters_ += world_.state.counted;
    FUZZ_CHECK(counters_.Balanced());
  }

 private:
  void Receive(uint8_t control, fuzz::Input& input) {
    constexpr uint16_t kHeadrooms[] = {128, 40, 20};
    const uint32_t headroom = control & 3;
    if ((control & 16) != 0) {
      world_.state.now_s += input.U16();
      world_.state.now_ms = uint64_t{world_.state.now_s} * 1000;
    }
    const uint16_t headroom_bytes = headroom < 3 ? kHeadrooms[headroom] : input.U8();
    frames_.push_back(input.Bytes(input.U16()));
    if ((control & 4) != 0) MakeIpv4ChecksumRight(frames_.back());
    if ((control & 32) != 0) MakeIcmpChecksumRight(frames_.back());
    buffers_.emplace_back(frames_.back(), headroom_bytes);
  }

  void Process() {
    Burst burst;
    burst.count = static_cast<uint32_t>(frames_.size());
    for (uint32_t i = 0; i < burst.count; ++i) buffers_[i].Fill(burst.packets[i]);
    SweepFlows(world_.tables, world_.state);
    ProcessBurst(burst, world_.tables, world_.state);
    for (uint32_t i = 0; i < burst.count; ++i) {
      const Packet& packet = burst.packets[i];
      FUZZ_CHECK(packet.verdict != Verdict::kPending);
      FUZZ_CHECK(packet.frame - packet.headroom_bytes == buffers_[i].bytes.get());
      CountVerdict(packet, buffers_[i].length, counters_);
      if (packet.verdict == Verdict::kForward) {
        CheckForwarded(Untagged(frames_[i]), packet);
      } else if (packet.verdict == Verdict::kAnswer && packet.kind != PacketKind::kIcmp) {
        FUZZ_CHECK(TooBigReplyIsRight(Untagged(frames_[i]), Untagged(FrameOf(packet))));
      } else if (packet.verdict == Verdict::kAnswer) {
        const size_t icmp_at = 14u + packet.transport_offset;
        FUZZ_CHECK(Untagged(FrameOf(packet)) == ExpectedAnswer(Untagged(frames_[i]), icmp_at));
      } else {
        FUZZ_CHECK(FrameOf(packet) == frames_[i]);
      }
    }
    frames_.clear();
    buffers_.clear();
  }

  World& world_;
  CounterValues counters_;
  std::vector<std::vector<uint8_t>> frames_;  // as they came
  std::vector<Buffer> buffers_;
};

}  // namespace
}  // namespace guideway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace guideway;  // NOLINT(google-build-using-namespace): one function
  static World* const world = MakeWorld().release();
  Traffic(world).Run(fuzz::Input(data, size));
  return 0;
}
