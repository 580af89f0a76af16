#include "lib/net/l3dsr.h"

#include <cstring>

#include "lib/net/checksum.h"
#include "lib/net/headers.h"

namespace guideway {
namespace {

constexpr uint8_t kEcnMask = 3;

// Replaces the bytes and returns what that does to a checksum over them.
uint64_t Replace(uint8_t* bytes, const uint8_t* by, uint32_t length_bytes) {
  uint64_t delta = 0;
  for (uint32_t i = 0; i < length_bytes; i += 4) {
    uint32_t before, after;
    std::memcpy(&before, bytes + i, sizeof(before));
    std::memcpy(&after, by + i, sizeof(after));
    delta += ChecksumDelta(before, after);
  }
  std::memcpy(bytes, by, length_bytes);
  return delta;
}

// Returns what the new destination does to checksums over the pseudo header.
uint64_t RewriteIpv4(Ipv4Header* ip, uint8_t dscp, Be32 destination) {
  const auto first_word = [ip] {
    return Be16(static_cast<uint16_t>(ip->version_ihl << 8 | ip->dscp_ecn));
  };
  const Be16 before = first_word();
  ip->dscp_ecn = static_cast<uint8_t>(dscp << 2 | (ip->dscp_ecn & kEcnMask));
  const uint64_t address_delta = ChecksumDelta(ip->destination.wire(), destination.wire());
  ip->destination = destination;
  ip->checksum = UpdateChecksum(ip->checksum, ChecksumDelta(before, first_word()) + address_delta);
  return address_delta;
}

uint64_t RewriteIpv6(Ipv6Header* ip, uint8_t dscp, const IpAddress& destination) {
  constexpr uint32_t kDscpMask = 0x0fc00000;
  const uint32_t word = ip->version_class_label.host() & ~kDscpMask;
  ip->version_class_label = Be32(word | uint32_t{dscp} << 22);
  return Replace(ip->destination, destination.bytes.data(), sizeof(ip->destination));
}

}  // namespace

void RewriteForL3dsr(IpFamily family, IpProtocol protocol, uint8_t* ip_header,
                     uint32_t transport_offset_bytes, uint8_t dscp, const IpAddress& destination) {
  const uint64_t delta =
      family == IpFamily::kIpv4
          ? RewriteIpv4(reinterpret_cast<Ipv4Header*>(ip_header), dscp, destination.ipv4())
          : RewriteIpv6(reinterpret_cast<Ipv6Header*>(ip_header), dscp, destination);
  if (family == IpFamily::kIpv4 &&
      (reinterpret_cast<Ipv4Header*>(ip_header)->fragment.host() & 0x1fff) != 0) {
    return;
  }
  if (protocol == IpProtocol::kNoNextHeader) return;
  uint8_t* transport = ip_header + transport_offset_bytes;
  if (protocol == IpProtocol::kTcp) {
    auto* tcp = reinterpret_cast<TcpHeader*>(transport);
    tcp->checksum = UpdateChecksum(tcp->checksum, delta);
    return;
  }
  if (protocol == IpProtocol::kIcmp) return;  // its checksum covers no addresses
  if (protocol == IpProtocol::kIcmpv6) {
    auto* icmp = reinterpret_cast<IcmpHeader*>(transport);
    icmp->checksum = UpdateChecksum(icmp->checksum, delta);
    return;
  }
  auto* udp = reinterpret_cast<UdpHeader*>(transport);
  if (udp->checksum == Be16(0)) return;
  udp->checksum = UpdateChecksum(udp->checksum, delta);
  if (udp->checksum == Be16(0)) udp->checksum = Be16(0xffff);  // 0 would mean none
}

}  // namespace guideway
