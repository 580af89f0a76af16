// Any packet that is cut, through any encapsulation: put together again, the fragments are what
// would have left had the MTU been larger.
#include "dataplane/worker/fragment.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "tests/unit/dataplane/worker_bench.h"
#include "tests/unit/path/plain_checksum.h"

namespace guideway {
namespace {

using channel::Encapsulation;

struct Carrier {
  Encapsulation encapsulation;
  const char* source;
  const char* destination;
  size_t outer_bytes;
};
constexpr Carrier kCarriers[] = {
    {Encapsulation::kL2, "", "203.0.113.1", 0},
    {Encapsulation::kL3dsr, "", "203.0.113.2", 0},
    {Encapsulation::kIpip, "203.0.113.100", "203.0.113.3", 20},
    {Encapsulation::kIpip, "2001:db8:b::100", "2001:db8:b::4", 40},
    {Encapsulation::kGre, "203.0.113.100", "203.0.113.5", 24},
    {Encapsulation::kGre, "2001:db8:b::100", "2001:db8:b::6", 44},
    {Encapsulation::kGue, "203.0.113.100", "203.0.113.7", 32},
    {Encapsulation::kGue, "2001:db8:b::100", "2001:db8:b::8", 52},
};
constexpr size_t kCarrierCount = sizeof(kCarriers) / sizeof(kCarriers[0]);
constexpr uint16_t kNoLimitBytes = 9000;

void AddCarriers(World& world) {
  for (uint16_t i = 0; i < kCarrierCount; ++i) {
    Backend& backend = world.AddBackend(i, kCarriers[i].encapsulation, kCarriers[i].source,
                                        kCarriers[i].destination);
    backend.gue_port = Be16(6080);
    backend.dscp = 46;
    world.SetPool(i, i);
    for (const IpProtocol protocol : {IpProtocol::kTcp, IpProtocol::kUdp}) {
      const uint32_t vip = i * 2u + (protocol == IpProtocol::kTcp ? 0 : 1);
      REQUIRE(world.AddVip(vip, "198.51.100." + std::to_string(i), 80, protocol, i));
    }
  }
}

// A packet without DF, of random length and data, with or without IPv4 options.
std::vector<uint8_t> RandomFrame(size_t carrier, std::mt19937_64& random) {
  PacketSpec spec;
  spec.destination = "198.51.100." + std::to_string(carrier);
  spec.source_port = static_cast<uint16_t>(random());
  if (spec.source_port == 0) spec.source_port = 1;
  spec.protocol = random() % 2 != 0 ? IpProtocol::kTcp : IpProtocol::kUdp;
  spec.tcp_flags = kTcpAck;
  spec.payload_bytes = static_cast<uint16_t>(random() % 1440);
  spec.dont_fragment = false;
  std::vector<uint8_t> frame = Frame(spec);
  const size_t transport_bytes = spec.protocol == IpProtocol::kTcp ? 20 : 8;
  for (size_t i = 34 + transport_bytes; i < frame.size(); ++i) {
    frame[i] = static_cast<uint8_t>(random());
  }
  FillTransportChecksum(frame);
  if (random() % 4 == 0) {
    const uint8_t options[] = {148, 4, 0, 0, 7, 3, 4, 0};  // router alert, record route
    frame.insert(frame.begin() + 34, options, options + sizeof(options));
    frame[14] = 0x47;
  }
  auto* ip = reinterpret_cast<Ipv4Header*>(&frame[14]);
  ip->total_length = Be16(static_cast<uint16_t>(frame.size() - 14));
  ip->identification = Be16(static_cast<uint16_t>(random()));
  ip->checksum = Be16(0);
  ip->checksum = InternetChecksum(&frame[14], ip->header_bytes());
  return frame;
}

std::vector<uint8_t> Taken(rte_mbuf* mbuf) {
  const auto* bytes = rte_pktmbuf_mtod(mbuf, const uint8_t*);
  std::vector<uint8_t> frame(bytes, bytes + rte_pktmbuf_pkt_len(mbuf));
  rte_pktmbuf_free(mbuf);
  return frame;
}

// What leaves with this MTU: one frame, or fragments; none if the packet is dropped.
std::vector<std::vector<uint8_t>> Sent(World& world, rte_mempool* mempool, uint16_t mtu_bytes,
                                       const std::vector<uint8_t>& frame) {
  for (Backend& backend : world.backends) backend.next_hop.mtu_bytes = mtu_bytes;
  rte_mbuf* mbuf = rte_pktmbuf_alloc(mempool);
  REQUIRE(mbuf != nullptr);
  auto* room =
      reinterpret_cast<uint8_t*>(rte_pktmbuf_append(mbuf, static_cast<uint16_t>(frame.size())));
  REQUIRE(room != nullptr);
  std::memcpy(room, frame.data(), frame.size());
  Burst burst;
  burst.count = 1;
  Packet& packet = burst.packets[0];
  packet.frame = room;
  packet.length_bytes = static_cast<uint32_t>(frame.size());
  packet.headroom_bytes = rte_pktmbuf_headroom(mbuf);
  ProcessBurst(burst, world.tables, world.state);
  std::vector<std::vector<uint8_t>> frames;
  if (packet.verdict == Verdict::kForward) {
    frames.push_back(FrameOf(packet));
  } else if (packet.verdict == Verdict::kFragment) {
    rte_mbuf* fragments[kMaxFragments];
    const uint32_t count = MakeFragments(packet, mbuf, world.state, fragments);
    for (uint32_t i = 0; i < count; ++i) frames.push_back(Taken(fragments[i]));
  } else {
    REQUIRE(packet.drop_reason == DropReason::too_big);
  }
  rte_pktmbuf_free(mbuf);
  return frames;
}

// The client's packet, or fragment of it, in a frame that leaves.
std::vector<uint8_t> InnerOf(const std::vector<uint8_t>& frame, size_t carrier) {
  REQUIRE(frame.size() > 14 + kCarriers[carrier].outer_bytes + 20);
  return {frame.begin() + 14 + static_cast<ptrdiff_t>(kCarriers[carrier].outer_bytes), frame.end()};
}

// Puts fragments together as RFC 791, section 3.2 says, in any order.
std::vector<uint8_t> Reassembled(const std::vector<std::vector<uint8_t>>& fragments) {
  std::map<size_t, std::vector<uint8_t>> payloads;  // by offset
  std::vector<uint8_t> whole;
  size_t end = 0;
  for (const std::vector<uint8_t>& fragment : fragments) {
    const size_t header_bytes = (fragment[0] & 15u) * 4;
    REQUIRE(PlainSum({fragment.begin(), fragment.begin() + static_cast<ptrdiff_t>(header_bytes)},
                     0) == 0xffff);
    REQUIRE(fragment[2] * 256u + fragment[3] == fragment.size());
    REQUIRE((fragment[6] & 0xc0) == 0);
    const size_t offset = ((fragment[6] & 0x1fu) * 256 + fragment[7]) * 8;
    const std::vector<uint8_t> payload(fragment.begin() + static_cast<ptrdiff_t>(header_bytes),
                                       fragment.end());
    const bool more = (fragment[6] & 0x20) != 0;
    if (more) REQUIRE(payload.size() % 8 == 0);
    if (!more) end = offset + payload.size();
    if (offset == 0)
      whole.assign(fragment.begin(), fragment.begin() + static_cast<ptrdiff_t>(header_bytes));
    REQUIRE(payloads.emplace(offset, payload).second);
  }
  REQUIRE(!whole.empty());
  const size_t header_bytes = whole.size();
  for (const auto& [offset, payload] : payloads) {
    REQUIRE(offset == whole.size() - header_bytes);  // no gap, no overlap
    whole.insert(whole.end(), payload.begin(), payload.end());
  }
  REQUIRE(end == whole.size() - header_bytes);
  return whole;
}

// Without what fragments may differ in: length, fragment field and header checksum.
std::vector<uint8_t> Comparable(std::vector<uint8_t> packet) {
  for (const size_t at : {2, 3, 6, 7, 10, 11}) packet[at] = 0;
  return packet;
}

TEST_CASE("fragments, put together again, are the packet") {
  StartEal();
  rte_mempool* mempool =
      rte_pktmbuf_pool_create("fragment_test", 255, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
  REQUIRE(mempool != nullptr);
  World world;
  AddCarriers(world);
  std::mt19937_64 random(9);
  std::map<size_t, int> cut;  // by carrier
  size_t most = 0;
  for (int i = 0; i < 40'000; ++i) {
    const size_t carrier = random() % kCarrierCount;
    CAPTURE(i, carrier);
    const std::vector<uint8_t> frame = RandomFrame(carrier, random);
    const auto mtu_bytes = static_cast<uint16_t>(128 + random() % 1372);
    CAPTURE(mtu_bytes, frame.size());
    const auto whole = Sent(world, mempool, kNoLimitBytes, frame);
    REQUIRE(whole.size() == 1);
    const auto sent = Sent(world, mempool, mtu_bytes, frame);
    if (sent.empty()) continue;
    std::vector<std::vector<uint8_t>> fragments;
    for (const std::vector<uint8_t>& one : sent) {
      REQUIRE(one.size() <= 14u + mtu_bytes);
      // Everything in front is the same but lengths, checksums, and the outer identification.
      REQUIRE(std::equal(one.begin(), one.begin() + 14, whole[0].begin()));
      fragments.push_back(InnerOf(one, carrier));
      const std::vector<uint8_t>& fragment = fragments.back();
      REQUIRE(std::equal(fragment.begin() + 12, fragment.begin() + 20,
                         InnerOf(whole[0], carrier).begin() + 12));
    }
    std::shuffle(fragments.begin(), fragments.end(), random);
    const std::vector<uint8_t> packet = Reassembled(fragments);
    REQUIRE(Comparable(packet) == Comparable(InnerOf(whole[0], carrier)));
    cut[carrier] += sent.size() > 1;
    most = std::max(most, sent.size());
  }
  for (size_t carrier = 0; carrier < kCarrierCount; ++carrier) {
    CAPTURE(carrier);
    CHECK(cut[carrier] > 1000);
  }
  CHECK(most == kMaxFragments);
  CHECK(rte_mempool_in_use_count(mempool) == 0);
  rte_mempool_free(mempool);
}

TEST_CASE("a fragment that is cut again keeps its place in the datagram") {
  StartEal();
  rte_mempool* mempool =
      rte_pktmbuf_pool_create("again_test", 63, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
  REQUIRE(mempool != nullptr);
  World world;
  AddCarriers(world);
  for (const bool more : {false, true}) {
    PacketSpec spec;
    spec.payload_bytes = 1460;
    spec.dont_fragment = false;
    std::vector<uint8_t> frame = Frame(spec);
    auto* ip = reinterpret_cast<Ipv4Header*>(&frame[14]);
    ip->fragment = Be16(static_cast<uint16_t>(185 | (more ? 0x2000 : 0)));
    rte_mbuf* mbuf = rte_pktmbuf_alloc(mempool);
    REQUIRE(mbuf != nullptr);
    auto* room = rte_pktmbuf_append(mbuf, static_cast<uint16_t>(frame.size()));
    REQUIRE(room != nullptr);
    std::memcpy(room, frame.data(), frame.size());
    Packet packet;
    packet.frame = reinterpret_cast<uint8_t*>(room);
    packet.l3_offset = 14;
    packet.ip_length_bytes = 1500;
    packet.fragment_mtu_bytes = 1480;
    packet.backend = &world.backends[2];
    world.backends[2].next_hop.mtu_bytes = 1500;
    rte_mbuf* fragments[kMaxFragments];
    REQUIRE(MakeFragments(packet, mbuf, world.state, fragments) == 2);
    const auto first = InnerOf(Taken(fragments[0]), 2), last = InnerOf(Taken(fragments[1]), 2);
    CHECK((first[6] * 256 + first[7]) == (0x2000 | 185));
    CHECK((last[6] * 256 + last[7]) == ((more ? 0x2000 : 0) | (185 + 1456 / 8)));
    rte_pktmbuf_free(mbuf);
  }
  CHECK(rte_mempool_in_use_count(mempool) == 0);
  rte_mempool_free(mempool);
}

}  // namespace
}  // namespace guideway
