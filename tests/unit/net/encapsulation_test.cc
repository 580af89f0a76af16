// Outer IP headers byte by byte. (The golden packets compare them with an independent writer.)
#include "lib/net/encapsulation.h"

#include <catch2/catch.hpp>
#include <cstring>

#include "lib/net/checksum.h"

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

}  // namespace
}  // namespace guideway
