// Bursts of any frames through the whole path, with VIPs of every kind of pool in both families:
// every packet gets a verdict, the counters balance, what does not leave is as it came, what is
// forwarded decapsulates to what came, apart from TTL and padding, and what is answered is the
// answer to it.
//
// Input: packets, each as control (1 byte: what follows), length (2), frame. Control: bits 0-1
// headroom 128, 40, 20 or the next byte; bit 2 make the IPv4 header checksum right; bit 3 the burst
// ends here; bit 4 seconds that pass before the burst (2 bytes); bit 5 make an ICMP checksum right.
#include "lib/net/checksum.h"
#include "lib/net/headers.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/path/echo_answer.h"
#include "tests/unit/path/path_fixture.h"

namespace guideway {
namespace {

constexpr uint32_t kMaxPackets = 256;  // of an input

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
  for (uint16_t pool = 0; pool < 6; ++pool) world->SetPool(pool, pool);
  world->SetPool(6, kNoBackend);
  const struct {
    const char* address;
    uint16_t pool;
  } kBothProtocols[] = {{"198.51.100.1", 0}, {"2001:db8:a::2", 1}, {"198.51.100.3", 2},
                        {"198.51.100.4", 3}, {"2001:db8:a::5", 2}, {"2001:db8:a::6", 3}};
  uint32_t vip = 0;
  const auto add = [&](const char* address, uint16_t port, IpProtocol protocol, uint16_t pool) {
    FUZZ_CHECK(world->AddVip(vip++, address, port, protocol, pool));
  };
  for (const auto& [address, pool] : kBothProtocols) {
    add(address, 443, IpProtocol::kTcp, pool);
    add(address, 443, IpProtocol::kUdp, pool);
  }
  add("198.51.100.7", 0, IpProtocol::kUdp, 2);
  add("198.51.100.7", 53, IpProtocol::kUdp, 0);
  add("198.51.100.8", 80, IpProtocol::kTcp, 4);
  add("198.51.100.9", 80, IpProtocol::kUdp, 5);
  add("198.51.100.10", 80, IpProtocol::kTcp, 6);
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
  const auto inner_protocol = static_cast<IpProtocol>(inner_v4 ? 4 : 41);
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

void CheckForwarded(const std::vector<uint8_t>& came, const Packet& packet) {
  FUZZ_CHECK(packet.backend != nullptr && packet.backend->exists);
  const Backend& backend = *packet.backend;
  const std::vector<uint8_t> left = FrameOf(packet);
  FUZZ_CHECK(left.size() <= 14u + backend.next_hop.mtu_bytes);
  FUZZ_CHECK(packet.transmit_port == backend.next_hop.port);
  const auto& ethernet = *reinterpret_cast<const EthernetHeader*>(left.data());
  FUZZ_CHECK(ethernet.destination == backend.next_hop.destination_mac);
  FUZZ_CHECK(ethernet.source == backend.next_hop.source_mac);
  std::vector<uint8_t> inner(left.begin() + 14, left.end());
  FUZZ_CHECK(ethernet.type == (inner[0] >> 4 == 4 ? ether_type::kIpv4 : ether_type::kIpv6));

  std::vector<uint8_t> expected = ExpectedInner(came);
  const bool v4 = expected[0] >> 4 == 4;
  if (backend.encapsulation != channel::Encapsulation::kL2) CheckAndCutOuter(inner, backend, v4);
  FUZZ_CHECK(inner.size() == expected.size());
  if (v4) {
    // 0x0000 and 0xffff are the same sum: an incremental update may end at the other one.
    FUZZ_CHECK(Ipv4ChecksumIsRight(*reinterpret_cast<const Ipv4Header*>(inner.data())));
    inner[10] = inner[11] = expected[10] = expected[11] = 0;
  }
  FUZZ_CHECK(inner == expected);
}

class Traffic {
 public:
  explicit Traffic(World* world) : world_(*world) {
    world_.flows.Clear(1);
    world_.state.now_s = 100000;
    world_.state.next_ipv4_id = 0;
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
    if ((control & 16) != 0) world_.state.now_s += input.U16();
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
    ProcessBurst(burst, world_.tables, world_.state);
    for (uint32_t i = 0; i < burst.count; ++i) {
      const Packet& packet = burst.packets[i];
      FUZZ_CHECK(packet.verdict != Verdict::kPending);
      FUZZ_CHECK(packet.frame - packet.headroom_bytes == buffers_[i].bytes.get());
      CountVerdict(packet, buffers_[i].length, counters_);
      if (packet.verdict == Verdict::kForward) {
        CheckForwarded(frames_[i], packet);
      } else if (packet.verdict == Verdict::kAnswer) {
        const size_t icmp_at = size_t{packet.l3_offset} + packet.transport_offset;
        FUZZ_CHECK(FrameOf(packet) == ExpectedAnswer(frames_[i], icmp_at));
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
