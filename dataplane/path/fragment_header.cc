// HOT PATH: no allocation, lock, log, system call or exception.
#include "dataplane/path/fragment_header.h"

#include "dataplane/path/header_chain.h"
#include "lib/net/headers.h"

namespace guideway {
namespace {

constexpr uint32_t kLongestDatagram = 0xffff, kUnitBytes = 8;
constexpr uint16_t kV4More = 0x2000, kV4Offset = 0x1fff, kV6More = 1, kV6Offset = 0xfff8;

struct FragmentHeader {  // RFC 8200, section 4.5
  uint8_t next_header;
  uint8_t reserved;
  Be16 offset_and_more;
  Be32 identification;
};
static_assert(sizeof(FragmentHeader) == 8 && alignof(FragmentHeader) == 1);

void DescribeIpv4(const uint8_t* at, Fragment& fragment) {
  const auto& ip = *reinterpret_cast<const Ipv4Header*>(at);
  fragment.protocol = ip.protocol;
  fragment.more = (ip.fragment.host() & kV4More) != 0;
  fragment.identification = ip.identification.host();
  fragment.offset_bytes = (ip.fragment.host() & uint32_t{kV4Offset}) * kUnitBytes;
  fragment.payload_at = fragment.header_bytes = ip.header_bytes();
}

void DescribeIpv6(const uint8_t* at, uint32_t length_bytes, Fragment& fragment) {
  constexpr uint32_t kIpBytes = sizeof(Ipv6Header);
  const auto next = static_cast<uint8_t>(reinterpret_cast<const Ipv6Header*>(at)->next_header);
  const ExtensionHeaders before =
      WalkExtensionHeaders(next, at + kIpBytes, length_bytes - kIpBytes);
  const auto& header =
      *reinterpret_cast<const FragmentHeader*>(at + kIpBytes + before.length_bytes);
  fragment.protocol = before.protocol;
  fragment.more = (header.offset_and_more.host() & kV6More) != 0;
  fragment.identification = header.identification.host();
  fragment.offset_bytes = header.offset_and_more.host() & kV6Offset;
  fragment.header_bytes = before.length_bytes;
  fragment.payload_at = kIpBytes + before.length_bytes + uint32_t{sizeof(FragmentHeader)};
}

// Bytes of the TCP or UDP header at `at`, as far as that can be seen.
uint32_t TransportBytes(IpProtocol protocol, const uint8_t* at, uint32_t length_bytes) {
  if (protocol == IpProtocol::kUdp) return sizeof(UdpHeader);
  if (length_bytes < sizeof(TcpHeader)) return sizeof(TcpHeader);
  return reinterpret_cast<const TcpHeader*>(at)->header_bytes();
}

}  // namespace

Fragment DescribeFragment(const Packet& packet) {
  const uint8_t* at = packet.frame + packet.l3_offset;
  Fragment fragment;
  if (packet.family == IpFamily::kIpv4) {
    DescribeIpv4(at, fragment);
  } else {
    DescribeIpv6(at, packet.ip_length_bytes, fragment);
  }
  fragment.payload_bytes = packet.ip_length_bytes - fragment.payload_at;
  return fragment;
}

bool FragmentIsBad(const Fragment& fragment) {
  const uint32_t end_bytes = fragment.offset_bytes + fragment.payload_bytes;
  const bool in_tcp_header = fragment.protocol == IpProtocol::kTcp && !fragment.first() &&
                             fragment.offset_bytes < sizeof(TcpHeader);
  return fragment.payload_bytes == 0 || in_tcp_header ||
         (fragment.more && fragment.payload_bytes % kUnitBytes != 0) ||
         fragment.header_bytes + end_bytes > kLongestDatagram;
}

bool Ipv4OptionsOfFragmentAreBad(const Packet& packet) {
  if (packet.family == IpFamily::kIpv6) return false;
  const uint8_t* at = packet.frame + packet.l3_offset;
  const uint32_t header_bytes = reinterpret_cast<const Ipv4Header*>(at)->header_bytes();
  return !Ipv4OptionsAreGood(at + sizeof(Ipv4Header), header_bytes - uint32_t{sizeof(Ipv4Header)});
}

FirstHeaders FindFirstHeaders(const Packet& packet, const Fragment& fragment) {
  FirstHeaders result{.protocol = fragment.protocol, .transport_at = fragment.payload_at};
  const uint8_t* ip = packet.frame + packet.l3_offset;
  if (packet.family == IpFamily::kIpv6) {
    const ExtensionHeaders behind = WalkExtensionHeaders(
        static_cast<uint8_t>(fragment.protocol), ip + fragment.payload_at, fragment.payload_bytes);
    if (behind.bad || behind.fragment) return result;
    result.protocol = behind.protocol;
    result.transport_at += behind.length_bytes;
  }
  const uint32_t left_bytes = packet.ip_length_bytes - result.transport_at;
  result.whole =
      !IsTransport(result.protocol) ||
      left_bytes >= TransportBytes(result.protocol, ip + result.transport_at, left_bytes);
  return result;
}

}  // namespace guideway
