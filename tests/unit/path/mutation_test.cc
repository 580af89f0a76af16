// Mutated packets through the whole path. Whatever they say, a verdict is made, everything is
// accounted for, and what leaves contains what came. Frames stand in buffers of their exact size,
// so that a build with sanitizers sees every access outside of them.
#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "tests/unit/path/icmp_builder.h"
#include "tests/unit/path/plain_checksum.h"
#include "tests/unit/path/too_big_reply.h"

namespace guideway {
namespace {

constexpr int kPackets = 400000;
constexpr uint16_t kPools = 9;

// Each seed again with IPv4 options, or with an IPv6 hop-by-hop header and an atomic fragment
// header.
void AddRareHeaders(std::vector<std::vector<uint8_t>>* seeds) {
  const size_t count = seeds->size();
  for (size_t i = 0; i < count; ++i) {
    std::vector<uint8_t> frame = (*seeds)[i];
    if (frame[12] == 0x08) {
      const uint8_t options[] = {1, 148, 4, 0, 0, 7, 3, 4};  // no-op, router alert, record route
      frame.insert(frame.begin() + 34, options, options + sizeof(options));
      frame[14] = 0x47;
      frame[17] = static_cast<uint8_t>(frame[17] + sizeof(options));
    } else if (frame[12] == 0x86) {
      const uint8_t headers[] = {44, 0, 1, 4, 0, 0, 0, 0, frame[20], 0, 0, 0, 0, 0, 0, 9};
      frame.insert(frame.begin() + 54, headers, headers + sizeof(headers));
      frame[20] = ipv6_extension::kHopByHop;
      frame[19] = static_cast<uint8_t>(frame[19] + sizeof(headers));
    }
    seeds->push_back(std::move(frame));
  }
}

// Echo requests, and errors about flows that other seeds make.
void AddIcmp(std::vector<std::vector<uint8_t>>* seeds) {
  const std::vector<std::vector<uint8_t>> flows(seeds->begin(), seeds->begin() + kPools * 4);
  for (const std::vector<uint8_t>& flow : flows) {
    seeds->push_back(ErrorAbout(flow, flow.size() % 3 != 0 ? 1000 : 48));
  }
  for (int vip = 1; vip <= kPools; ++vip) {
    const std::string number = std::to_string(vip);
    const auto data_bytes = static_cast<size_t>(vip) * 5;  // odd lengths, too
    seeds->push_back(EchoRequest("192.0.2.99", "198.51.100." + number, data_bytes));
    seeds->push_back(EchoRequest("2001:db8::99", "2001:db8:a::" + number, data_bytes));
  }
}

std::vector<std::vector<uint8_t>> Seeds() {
  std::vector<std::vector<uint8_t>> seeds;
  for (const bool v6 : {false, true}) {
    for (int vip = 1; vip <= kPools; ++vip) {
      for (const IpProtocol protocol : {IpProtocol::kTcp, IpProtocol::kUdp}) {
        PacketSpec spec;
        spec.source = v6 ? "2001:db8::1" : "192.0.2.1";
        spec.destination = (v6 ? "2001:db8:a::" : "198.51.100.") + std::to_string(vip);
        spec.protocol = protocol;
        spec.payload_bytes = static_cast<uint16_t>(vip * 17);  // odd lengths, too
        spec.dont_fragment = vip % 2 != 0;
        spec.tcp_flags = vip == 1 ? kTcpSyn : kTcpAck;
        seeds.push_back(Frame(spec));
        if (vip % 3 != 0) FillTransportChecksum(seeds.back());
      }
    }
  }
  std::vector<uint8_t> tagged = seeds[0];
  const uint8_t tag[] = {0x81, 0x00, 0x00, 0x05};
  tagged.insert(tagged.begin() + 12, tag, tag + 4);
  seeds.push_back(tagged);
  tagged.insert(tagged.begin() + 12, tag, tag + 4);
  seeds.push_back(tagged);
  AddIcmp(&seeds);
  AddRareHeaders(&seeds);
  return seeds;
}

void FixChecksum(std::vector<uint8_t>& frame) {
  if (frame.size() < 34 || frame[12] != 8 || frame[13] != 0) return;
  auto* ip = reinterpret_cast<Ipv4Header*>(&frame[14]);
  if (ip->header_bytes() < 20 || 14 + ip->header_bytes() > frame.size()) return;
  ip->checksum = Be16(0);
  ip->checksum = InternetChecksum(&frame[14], ip->header_bytes());
}

// If the frame is ICMP where the seeds have it, and as long as it says.
void FixIcmp(std::vector<uint8_t>& frame) {
  if (frame.size() < 62) return;
  const bool v4 = frame[12] == 0x08 && frame[14] >> 4 == 4 && frame[23] == 1;
  const bool v6 = frame[12] == 0x86 && frame[20] == 58;
  const size_t end = 14u + (v4 ? frame[16] << 8 | frame[17] : 40 + (frame[18] << 8 | frame[19]));
  const size_t icmp_at = v4 ? 14 + (frame[14] & 15u) * 4 : 54;
  if ((v4 || v6) && icmp_at + 4 <= end && end <= frame.size()) FixIcmpChecksum(frame, icmp_at);
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
  if (random() % 4 != 0) FixIcmp(frame);
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

// Takes the outer IP header off; returns its protocol.
uint8_t TakeOuter(std::vector<uint8_t>& out, const Backend& backend) {
  const bool v4 = backend.outer_destination.IsIpv4();
  REQUIRE(out[0] >> 4 == (v4 ? 4 : 6));
  REQUIRE(out[v4 ? 2 : 4] * 256u + out[v4 ? 3 : 5] == out.size() - (v4 ? 0 : 40));
  REQUIRE(out[v4 ? 8 : 7] == 64);
  const IpAddress source =
      v4 ? IpAddress::FromIpv4(Be32::FromWire(*reinterpret_cast<const uint32_t*>(&out[12])))
         : IpAddress::FromIpv6(&out[8]);
  if (backend.source_flow_bits == 0) {
    REQUIRE(source == backend.outer_source);
  } else {
    REQUIRE(source != backend.outer_source);
    const size_t kept = 16 - (backend.source_flow_bits + 7) / 8;
    REQUIRE(std::equal(source.bytes.begin(), source.bytes.begin() + static_cast<ptrdiff_t>(kept),
                       backend.outer_source.bytes.begin()));
  }
  if (v4) REQUIRE(PlainSum({out.begin(), out.begin() + 20}, 0) == 0xffff);
  const uint8_t protocol = out[v4 ? 9 : 6];
  out.erase(out.begin(), out.begin() + (v4 ? 20 : 40));
  return protocol;
}

void TakeGue(std::vector<uint8_t>& out, const Packet& packet) {
  const Backend& backend = *packet.backend;
  REQUIRE(out[0] >= 0xc0);  // source port
  REQUIRE(out[2] * 256u + out[3] == backend.gue_port.host());
  REQUIRE(out[4] * 256u + out[5] == out.size());
  REQUIRE(out[8] < 0x20);  // variant 0, no control message
  REQUIRE(out[9] == (packet.family == IpFamily::kIpv4 ? 4 : 41));
  REQUIRE(out[10] * 256u + out[11] == 0);
  const size_t list_bytes = out[8] * 4u;
  if (!backend.gue_hop_list) {
    REQUIRE(list_bytes == 0);
  } else {
    const bool v4 = backend.outer_destination.IsIpv4();
    REQUIRE(out[12] * 256u + out[13] == (v4 ? 0 : 1));
    REQUIRE(out[14] == 0);
    REQUIRE(out[15] == (packet.alternate != nullptr ? 1 : 0));
    REQUIRE(list_bytes == 4u + out[15] * (v4 ? 4u : 16u));
    if (packet.alternate != nullptr) {
      const IpAddress& hop = packet.alternate->outer_destination;
      REQUIRE(std::equal(hop.bytes.begin() + (v4 ? 12 : 0), hop.bytes.end(), &out[16]));
    }
  }
  out.erase(out.begin(), out.begin() + static_cast<ptrdiff_t>(12 + list_bytes));
}

std::vector<uint8_t> Decapsulate(const Packet& packet) {
  using channel::Encapsulation;
  const Backend& backend = *packet.backend;
  REQUIRE(VlanOf(FrameOf(packet)) == backend.next_hop.vlan.host());
  std::vector<uint8_t> out = Untagged(FrameOf(packet));
  const bool tunnel = IsTunnel(backend.encapsulation);
  const IpFamily outer = tunnel ? backend.outer_destination.family() : packet.family;
  REQUIRE(out[12] * 256u + out[13] == (outer == IpFamily::kIpv4 ? 0x0800 : 0x86dd));
  out.erase(out.begin(), out.begin() + 14);
  if (!tunnel) return out;
  const std::vector<uint8_t> whole = out;
  const uint8_t protocol = TakeOuter(out, backend);
  if (backend.encapsulation == Encapsulation::kIpip) {
    REQUIRE(protocol == (packet.family == IpFamily::kIpv4 ? 4 : 41));
  } else if (backend.encapsulation == Encapsulation::kGre) {
    REQUIRE(protocol == 47);
    REQUIRE(out[0] * 256u + out[1] == 0);
    REQUIRE(out[2] * 256u + out[3] == (packet.family == IpFamily::kIpv4 ? 0x0800 : 0x86dd));
    out.erase(out.begin(), out.begin() + 4);
  } else {
    REQUIRE(protocol == 17);
    if (outer == IpFamily::kIpv4 || backend.gue_zero_checksum6) {
      REQUIRE(out[6] * 256u + out[7] == 0);
    } else {
      REQUIRE(out[6] * 256u + out[7] != 0);
      REQUIRE(TransportSum(whole) == 0xffff);
    }
    TakeGue(out, packet);
  }
  return out;
}

// Puts back what L3DSR has replaced, after a look at it.
void UndoL3dsr(const std::vector<uint8_t>& expected, const Backend& backend,
               std::vector<uint8_t>& inner) {
  const bool v4 = inner[0] >> 4 == 4;
  const size_t destination = v4 ? 16 : 24, length = v4 ? 4 : 16;
  const auto at = [](size_t offset) { return static_cast<ptrdiff_t>(offset); };
  REQUIRE(std::equal(inner.begin() + at(destination), inner.begin() + at(destination + length),
                     backend.outer_destination.bytes.begin() + at(16 - length)));
  const auto traffic_class = [v4](const std::vector<uint8_t>& ip) {
    return v4 ? ip[1] : static_cast<uint8_t>(ip[0] << 4 | ip[1] >> 4);
  };
  REQUIRE(traffic_class(inner) >> 2 == backend.dscp);
  REQUIRE((traffic_class(inner) & 3) == (traffic_class(expected) & 3));
  const size_t checksum = ChecksumOffset(inner);
  const bool udp = FindTransport(expected).protocol == 17;
  const bool none = udp && expected[checksum] == 0 && expected[checksum + 1] == 0;
  const bool none_now = udp && inner[checksum] == 0 && inner[checksum + 1] == 0;
  REQUIRE(none == none_now);
  // As right, or as wrong, as it came.
  if (!none) REQUIRE(TransportSum(inner) == TransportSum(expected));
  inner[0] = expected[0];
  inner[1] = expected[1];
  inner[checksum] = expected[checksum];
  inner[checksum + 1] = expected[checksum + 1];
  std::copy(expected.begin() + at(destination), expected.begin() + at(destination + length),
            inner.begin() + at(destination));
}

void CheckForwarded(const std::vector<uint8_t>& frame, const Packet& packet) {
  std::vector<uint8_t> expected = ExpectedInner(frame, packet);
  std::vector<uint8_t> inner = Decapsulate(packet);
  if (packet.family == IpFamily::kIpv4) {
    // 0x0000 and 0xffff are the same sum: an incremental update may end at the other one.
    const auto header_bytes = static_cast<ptrdiff_t>(FindTransport(inner).at);
    REQUIRE(PlainSum({inner.begin(), inner.begin() + header_bytes}, 0) == 0xffff);
    inner[10] = inner[11] = expected[10] = expected[11] = 0;
  }
  if (packet.backend->encapsulation == channel::Encapsulation::kL3dsr) {
    UndoL3dsr(expected, *packet.backend, inner);
  }
  REQUIRE(inner == expected);
}

void AddPools(World& world) {
  using channel::Encapsulation;
  world.AddBackend(1, Encapsulation::kL2, "", "203.0.113.1");
  world.AddBackend(2, Encapsulation::kIpip, "203.0.113.100", "203.0.113.2");
  world.AddBackend(3, Encapsulation::kIpip, "2001:db8:b::100", "2001:db8:b::3");
  world.AddBackend(4, Encapsulation::kGre, "10.255.0.0", "203.0.113.4").source_flow_bits = 16;
  world.AddBackend(5, Encapsulation::kGre, "2001:db8:b::100", "2001:db8:b::5");
  world.AddBackend(6, Encapsulation::kGue, "203.0.113.100", "203.0.113.6").gue_hop_list = true;
  world.AddBackend(7, Encapsulation::kGue, "2001:db8:f::", "2001:db8:b::7").source_flow_bits = 32;
  world.AddBackend(8, Encapsulation::kL3dsr, "", "203.0.113.8").dscp = 46;
  world.AddBackend(9, Encapsulation::kL3dsr, "", "2001:db8:b::9").dscp = 63;
  // The last owners of the slots of pools 6 and 7.
  world.AddBackend(10, Encapsulation::kGue, "203.0.113.100", "203.0.113.10");
  world.AddBackend(11, Encapsulation::kGue, "2001:db8:b::100", "2001:db8:b::11");
  for (const size_t gue : {6, 7, 10, 11}) world.backends[gue].gue_port = Be16(6080);
  for (const size_t on_vlan : {3, 5, 9}) world.backends[on_vlan].next_hop.vlan = Be16(4094);
  for (uint16_t i = 1; i <= kPools; ++i) world.SetPool(i, i);
  world.SetPool(6, 6, 10);
  world.SetPool(7, 7, 11);
}

TEST_CASE("mutated packets") {
  World world(1024);
  AddPools(world);
  uint32_t vip = 0;
  for (uint16_t i = 1; i <= kPools; ++i) {
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
  std::map<ptrdiff_t, int> forwarded_by;  // by backend
  int second_chances = 0, errors = 0, cut = 0;
  std::vector<std::vector<uint8_t>> frames;
  std::vector<Buffer> buffers;
  Burst burst;
  for (int sent = 0; sent < kPackets; sent += static_cast<int>(burst.count)) {
    frames.clear();
    buffers.clear();
    burst.count = static_cast<uint32_t>(1 + random() % kBurstCapacity);
    for (uint32_t i = 0; i < burst.count; ++i) {
      frames.push_back(Mutate(seeds[random() % seeds.size()], random));
      buffers.emplace_back(frames.back(), random() % 8 != 0 ? 96 : random() % 96);
      buffers.back().Fill(burst.packets[i]);
    }
    world.state.counted = CounterValues{};
    world.state.now_s += random() % 3 == 0;
    // Now and then all flows time out: known ones get no second chance, and no FIN or RST among
    // other packets ends one for good.
    if (random() % 100 == 0) world.state.now_s += world.tables.timeouts.established_s;
    // The usual MTU, and one that some of the longer packets exceed; over IPv6 only with padding.
    for (Backend& backend : world.backends) {
      backend.next_hop.mtu_bytes =
          random() % 8 != 0 ? 1500 : static_cast<uint16_t>(68 + random() % 150);
    }
    world.backends[7].gue_hop_list = random() % 2 != 0;
    world.backends[7].gue_zero_checksum6 = random() % 4 == 0;
    ProcessBurst(burst, world.tables, world.state);
    for (uint32_t i = 0; i < burst.count; ++i) {
      const Packet& packet = burst.packets[i];
      CountVerdict(packet, buffers[i].length, counters);
      cut += packet.verdict == Verdict::kFragment;
      REQUIRE(packet.verdict != Verdict::kPending);
      REQUIRE(packet.frame - packet.headroom_bytes == buffers[i].bytes.get());
      if (packet.verdict == Verdict::kForward) {
        CheckForwarded(Untagged(frames[i]), packet);
        ++forwarded_by[packet.backend - world.backends.data()];
        second_chances += packet.alternate != nullptr;
        errors += packet.kind == PacketKind::kIcmp;
      } else if (packet.verdict == Verdict::kAnswer && packet.kind != PacketKind::kIcmp) {
        REQUIRE(TooBigReplyIsRight(Untagged(frames[i]), Untagged(FrameOf(packet))));
      } else if (packet.verdict == Verdict::kAnswer) {
        const size_t icmp_at = 14u + packet.transport_offset;
        REQUIRE(Untagged(FrameOf(packet)) == ExpectedAnswer(Untagged(frames[i]), icmp_at));
        REQUIRE(std::equal(frames[i].begin() + 12, frames[i].begin() + packet.l3_offset,
                           packet.frame + 12));  // the tags are the request's
      } else {
        REQUIRE(FrameOf(packet) == frames[i]);
      }
    }
    counters += world.state.counted;
  }
  CHECK(counters.Balanced());
  CHECK(counters[Counter::received_packets] > kPackets / 100 * 99);  // fragments wait
  // The mutations must reach every part of the path, not only its first check.
  CHECK(counters[Counter::forwarded_packets] > kPackets / 4);
  CHECK(counters[Counter::to_kernel_packets] > kPackets / 20);
  CHECK(counters[Counter::flow_hits] > 1000);
  for (ptrdiff_t backend = 1; backend <= kPools; ++backend) {
    CAPTURE(backend);
    CHECK(forwarded_by[backend] > kPackets / 100);
  }
  CHECK(second_chances > kPackets / 200);
  CHECK(errors > kPackets / 50);
  CHECK(counters[Counter::answered_packets] > kPackets / 50);
  CHECK(counters[Counter::too_big_replies] > kPackets / 1000);
  CHECK(cut > kPackets / 1000);
  CHECK(counters[DropReason::too_big] > 0);
  for (size_t i = 0; i < kDropReasonCount; ++i) {
    const std::string name = kDropReasons[i].name;
    if (name == "no_backend" || name == "no_next_hop" || name == "too_big" ||
        name == "too_big_rate_limited" || name == "echo_rate_limited" ||
        name == "fragment_no_buffer" || name == "scattered_frame" || name == "no_kernel_twin" ||
        name == "kernel_queue_full" || name == "transmit_queue_full" || name == "fragment_policy" ||
        name == "fragment_timeout" || name == "fragment_overflow" || name == "breaker_full") {
      continue;  // these lie in the tables or in the worker, not in the packet
    }
    CAPTURE(name);
    CHECK(counters.drops[i] > 0);
  }
}

}  // namespace
}  // namespace guideway
