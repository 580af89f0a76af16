// Mutated packets through the whole path. Whatever they say, a verdict is made, everything is
// accounted for, and what leaves contains what came. Frames stand in buffers of their exact size,
// so that a build with sanitizers sees every access outside of them.
#include <catch2/catch.hpp>
#include <random>

#include "tests/unit/path/packet_builder.h"

namespace guideway {
namespace {

constexpr int kPackets = 200000;

std::vector<std::vector<uint8_t>> Seeds() {
  std::vector<std::vector<uint8_t>> seeds;
  for (const bool v6 : {false, true}) {
    for (int vip = 1; vip <= 3; ++vip) {
      for (const IpProtocol protocol : {IpProtocol::kTcp, IpProtocol::kUdp}) {
        PacketSpec spec;
        spec.source = v6 ? "2001:db8::1" : "192.0.2.1";
        spec.destination = (v6 ? "2001:db8:a::" : "198.51.100.") + std::to_string(vip);
        spec.protocol = protocol;
        spec.payload_bytes = static_cast<uint16_t>(vip * 20);
        spec.dont_fragment = vip != 2;
        spec.tcp_flags = vip == 1 ? kTcpSyn : kTcpAck;
        seeds.push_back(Frame(spec));
      }
    }
  }
  std::vector<uint8_t> tagged = seeds[0];
  const uint8_t tag[] = {0x81, 0x00, 0x00, 0x05};
  tagged.insert(tagged.begin() + 12, tag, tag + 4);
  seeds.push_back(tagged);
  std::vector<uint8_t> extended = seeds[7];
  extended[14 + 6] = ipv6_extension::kHopByHop;
  extended[14 + 40] = ipv6_extension::kFragment;
  seeds.push_back(extended);
  return seeds;
}

void FixChecksum(std::vector<uint8_t>& frame) {
  if (frame.size() < 34 || frame[12] != 8 || frame[13] != 0) return;
  auto* ip = reinterpret_cast<Ipv4Header*>(&frame[14]);
  if (ip->header_bytes() < 20 || 14 + ip->header_bytes() > frame.size()) return;
  ip->checksum = Be16(0);
  ip->checksum = InternetChecksum(&frame[14], ip->header_bytes());
}

std::vector<uint8_t> Mutate(std::vector<uint8_t> frame, std::mt19937_64& random) {
  const auto byte = [&] { return static_cast<uint8_t>(random()); };
  const uint64_t edits = random() % 4;
  for (uint64_t i = 0; i < edits && !frame.empty(); ++i) {
    // Mostly headers: that is where the decisions are made.
    const size_t range = random() % 8 != 0 ? std::min<size_t>(frame.size(), 78) : frame.size();
    const size_t at = random() % range;
    switch (random() % 6) {
      case 0:
        frame[at] ^= static_cast<uint8_t>(1 << random() % 8);
        break;
      case 1:
        frame[at] = byte();
        break;
      case 2:
        frame[at] = random() % 2 != 0 ? 0x00 : 0xff;
        break;
      case 3:
        frame.resize(at);
        break;
      case 4:
        frame.resize(frame.size() + random() % 100);  // padding
        break;
      case 5:
        frame.insert(frame.begin() + static_cast<ptrdiff_t>(at), random() % 16, byte());
        break;
    }
  }
  if (random() % 4 != 0) FixChecksum(frame);
  return frame;
}

// The IP packet that must have been inside of what came: TTL lower by one, padding cut.
std::vector<uint8_t> ExpectedInner(const std::vector<uint8_t>& frame, const Packet& packet) {
  std::vector<uint8_t> inner(frame.begin() + 14, frame.begin() + 14 + packet.ip_length_bytes);
  if (packet.family == IpFamily::kIpv6) {
    --inner[7];
    return inner;
  }
  --inner[8];
  auto* ip = reinterpret_cast<Ipv4Header*>(inner.data());
  ip->checksum = Be16(0);
  ip->checksum = InternetChecksum(inner.data(), ip->header_bytes());
  return inner;
}

std::vector<uint8_t> Decapsulate(const Packet& packet) {
  std::vector<uint8_t> out = FrameOf(packet);
  size_t skip = 14;
  if (packet.backend->encapsulation == channel::Encapsulation::kIpip) {
    const bool outer_v4 = packet.backend->outer_destination.IsIpv4();
    REQUIRE(out[12] == (outer_v4 ? 0x08 : 0x86));
    REQUIRE(out[14 + (outer_v4 ? 9 : 6)] == (packet.family == IpFamily::kIpv4 ? 4 : 41));
    if (outer_v4) {
      const auto& outer = *reinterpret_cast<const Ipv4Header*>(&out[14]);
      REQUIRE(Ipv4ChecksumIsRight(outer));
      REQUIRE(outer.total_length.host() == out.size() - 14);
    } else {
      const auto& outer = *reinterpret_cast<const Ipv6Header*>(&out[14]);
      REQUIRE(outer.payload_length.host() == out.size() - 54);
    }
    skip += outer_v4 ? 20 : 40;
  }
  return {out.begin() + static_cast<ptrdiff_t>(skip), out.end()};
}

void CheckForwarded(const std::vector<uint8_t>& frame, const Packet& packet) {
  std::vector<uint8_t> expected = ExpectedInner(frame, packet);
  std::vector<uint8_t> inner = Decapsulate(packet);
  if (packet.family == IpFamily::kIpv4) {
    // 0x0000 and 0xffff are the same sum: an incremental update may end at the other one.
    REQUIRE(Ipv4ChecksumIsRight(*reinterpret_cast<const Ipv4Header*>(inner.data())));
    inner[10] = inner[11] = expected[10] = expected[11] = 0;
  }
  REQUIRE(inner == expected);
}

TEST_CASE("mutated packets") {
  World world(1024);
  const channel::Encapsulation kL2 = channel::Encapsulation::kL2;
  const channel::Encapsulation kIpip = channel::Encapsulation::kIpip;
  world.AddBackend(1, kL2, "", "203.0.113.1");
  world.AddBackend(2, kIpip, "203.0.113.100", "203.0.113.2");
  world.AddBackend(3, kIpip, "2001:db8:b::100", "2001:db8:b::3");
  uint32_t vip = 0;
  for (uint16_t i = 1; i <= 3; ++i) {
    world.SetPool(i, i);
    for (const std::string prefix : {"198.51.100.", "2001:db8:a::"}) {
      for (const IpProtocol protocol : {IpProtocol::kTcp, IpProtocol::kUdp}) {
        const uint16_t port = i == 3 ? 0 : 80;
        REQUIRE(world.AddVip(vip++, prefix + std::to_string(i), port, protocol, i));
      }
    }
  }

  const auto seeds = Seeds();
  std::mt19937_64 random(20260);
  CounterValues counters;
  std::vector<std::vector<uint8_t>> frames;
  std::vector<Buffer> buffers;
  Burst burst;
  for (int sent = 0; sent < kPackets; sent += static_cast<int>(burst.count)) {
    frames.clear();
    buffers.clear();
    burst.count = static_cast<uint32_t>(1 + random() % kBurstCapacity);
    for (uint32_t i = 0; i < burst.count; ++i) {
      frames.push_back(Mutate(seeds[random() % seeds.size()], random));
      buffers.emplace_back(frames.back(), random() % 8 != 0 ? 64 : random() % 64);
      buffers.back().Fill(burst.packets[i]);
    }
    world.state.counted = CounterValues{};
    world.state.now_s += random() % 3 == 0;
    ProcessBurst(burst, world.tables, world.state);
    for (uint32_t i = 0; i < burst.count; ++i) {
      const Packet& packet = burst.packets[i];
      CountVerdict(packet, buffers[i].length, counters);
      REQUIRE(packet.verdict != Verdict::kPending);
      REQUIRE(packet.frame - packet.headroom_bytes == buffers[i].bytes.get());
      if (packet.verdict == Verdict::kForward) {
        CheckForwarded(frames[i], packet);
      } else {
        REQUIRE(FrameOf(packet) == frames[i]);
      }
    }
    counters += world.state.counted;
  }
  CHECK(counters.Balanced());
  CHECK(counters[Counter::received_packets] >= kPackets);
  // The mutations must reach every part of the path, not only its first check.
  CHECK(counters[Counter::forwarded_packets] > kPackets / 4);
  CHECK(counters[Counter::to_kernel_packets] > kPackets / 20);
  CHECK(counters[Counter::flow_hits] > 1000);
  for (size_t i = 0; i < kDropReasonCount; ++i) {
    const std::string name = kDropReasons[i].name;
    if (name == "no_backend" || name == "no_next_hop" || name == "too_big" ||
        name == "scattered_frame" || name == "no_kernel_twin" || name == "kernel_queue_full" ||
        name == "transmit_queue_full") {
      continue;  // these lie in the tables or in the worker, not in the packet
    }
    CAPTURE(name);
    CHECK(counters.drops[i] > 0);
  }
}

}  // namespace
}  // namespace guideway
