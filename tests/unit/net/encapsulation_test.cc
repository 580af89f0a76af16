// Outer IP headers byte by byte, and the odd cases of GUE and L3DSR. (The golden packets compare
// them with an independent writer.)
#include "lib/net/encapsulation.h"

#include <catch2/catch.hpp>
#include <cstring>

#include "lib/net/checksum.h"
#include "lib/net/gue.h"
#include "lib/net/l3dsr.h"

namespace guideway {
namespace {

Ipv4Header Inner4(bool dont_fragment) {
  Ipv4Header ip{};
  ip.version_ihl = 0x45;
  ip.dscp_ecn = 0xb9;
  ip.fragment = dont_fragment ? Ipv4Header::kDontFragment : Be16(0);
  return ip;
}

InnerPacket Describe(const Ipv4Header& ip) {
  return DescribeInner(IpFamily::kIpv4, reinterpret_cast<const uint8_t*>(&ip), 100);
}

TEST_CASE("IPv4 outer header of an IPv4 packet") {
  for (const bool dont_fragment : {false, true}) {
    uint8_t bytes[20];
    WriteOuterIpv4(bytes, Describe(Inner4(dont_fragment)), Be32(0x0a000001), Be32(0x0a000002),
                   0x1234);
    const auto& outer = *reinterpret_cast<const Ipv4Header*>(bytes);
    CHECK(outer.version() == 4);
    CHECK(outer.header_bytes() == 20);
    CHECK(outer.dscp_ecn == 0xb9);
    CHECK(outer.total_length.host() == 120);
    CHECK(outer.identification.host() == (dont_fragment ? 0 : 0x1234));
    CHECK(outer.dont_fragment() == dont_fragment);
    CHECK_FALSE(outer.is_fragment());
    CHECK(outer.ttl == 64);
    CHECK(outer.protocol == IpProtocol::kIpip);
    CHECK(outer.source.host() == 0x0a000001);
    CHECK(outer.destination.host() == 0x0a000002);
    CHECK(Ipv4ChecksumIsRight(outer));
  }
}

TEST_CASE("IPv4 outer header of an IPv6 packet sets DF") {
  Ipv6Header ip{};
  ip.version_class_label = Be32(0x6ab12345);
  const InnerPacket inner =
      DescribeInner(IpFamily::kIpv6, reinterpret_cast<const uint8_t*>(&ip), 60);
  uint8_t bytes[20];
  WriteOuterIpv4(bytes, inner, Be32(1), Be32(2), 7);
  const auto& outer = *reinterpret_cast<const Ipv4Header*>(bytes);
  CHECK(outer.dscp_ecn == 0xab);
  CHECK(outer.dont_fragment());
  CHECK(outer.identification.host() == 0);
  CHECK(outer.protocol == IpProtocol::kIpv6);
}

TEST_CASE("IPv6 outer header") {
  const IpAddress source = IpAddress::Parse("2001:db8::1").value();
  const IpAddress destination = IpAddress::Parse("2001:db8::2").value();
  uint8_t bytes[40];
  WriteOuterIpv6(bytes, Describe(Inner4(true)), source, destination, 0xfffabcde);
  const auto& outer = *reinterpret_cast<const Ipv6Header*>(bytes);
  CHECK(outer.version_class_label.host() == 0x6b9abcde);
  CHECK(outer.payload_length.host() == 100);
  CHECK(outer.next_header == IpProtocol::kIpip);
  CHECK(outer.hop_limit == 64);
  CHECK(std::memcmp(outer.source, source.bytes.data(), 16) == 0);
  CHECK(std::memcmp(outer.destination, destination.bytes.data(), 16) == 0);
}

TEST_CASE("flow bits of the outer source never name all zeros or all ones") {
  const IpAddress prefix = IpAddress::Parse("10.255.0.0").value();
  for (uint64_t hash = 0; hash < 64; ++hash) {
    CHECK(SpreadSource(prefix, 16, 0xabcdef0000000000 + hash * 1000).ToString() ==
          "10.255." + std::to_string((hash == 0 ? 1 : hash * 1000) >> 8) + "." +
              std::to_string((hash == 0 ? 1 : hash * 1000) & 255));
    const auto last = SpreadSource(prefix, 2, hash).bytes[15];
    CHECK((last == 1 || last == 2));
  }
  CHECK(SpreadSource(prefix, 16, 0xffff).ToString() == "10.255.255.254");
  const IpAddress prefix6 = IpAddress::Parse("2001:db8:1:2::").value();
  CHECK(SpreadSource(prefix6, 32, 0x1234'89ab'cdef).ToString() == "2001:db8:1:2::89ab:cdef");
  CHECK(SpreadSource(prefix6, 32, 0).ToString() == "2001:db8:1:2::1");
  CHECK(SpreadSource(prefix6, 32, 0xffffffff).ToString() == "2001:db8:1:2::ffff:fffe");
}

TEST_CASE("tunnel source ports are dynamic ports and differ between flows") {
  CHECK(TunnelSourcePort(0).host() == 49152);
  CHECK(TunnelSourcePort(~uint64_t{0}).host() == 65535);
  CHECK(TunnelSourcePort(uint64_t{5} << 20).host() == 49157);
}

TEST_CASE("a UDP checksum that comes to 0 is sent as 0xffff") {
  // Payload word p such that the sum of everything else and p is 0xffff.
  for (uint32_t p = 0; p < 0x10000; ++p) {
    uint8_t packet[40 + 8 + 2] = {0x60};
    packet[5] = 10;
    packet[6] = 17;
    packet[45] = 10;
    packet[48] = static_cast<uint8_t>(p >> 8);
    packet[49] = static_cast<uint8_t>(p);
    FillUdpChecksum(packet);
    // 10 (length), 10 (pseudo header), 17 and p; one's complement.
    uint32_t sum = 10 + 10 + 17 + p;
    if (sum > 0xffff) sum -= 0xffff;
    const uint32_t expected = sum == 0xffff ? 0xffff : 0xffff - sum;
    if (packet[46] * 256u + packet[47] != expected) FAIL("payload " << p);
  }
}

TEST_CASE("an L3DSR rewrite keeps a UDP checksum from becoming none") {
  // Every checksum value once: 0 stays 0, no other becomes 0.
  const IpAddress backend = IpAddress::FromIpv4(Be32(0x0a0b0c0d));
  for (uint32_t checksum = 0; checksum < 0x10000; ++checksum) {
    uint8_t packet[28] = {0x45, 0x03};
    packet[9] = 17;
    auto* udp = reinterpret_cast<UdpHeader*>(packet + 20);
    udp->checksum = Be16(static_cast<uint16_t>(checksum));
    RewriteForL3dsr(IpFamily::kIpv4, IpProtocol::kUdp, packet, 20, 46, backend);
    if ((checksum == 0) != (udp->checksum == Be16(0))) FAIL("checksum " << checksum);
    REQUIRE(packet[1] == (46 << 2 | 3));
  }
}

}  // namespace
}  // namespace guideway
