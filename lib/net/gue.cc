#include "lib/net/gue.h"

#include "lib/net/checksum.h"
#include "lib/net/headers.h"

namespace guideway {

void FillUdpChecksum(uint8_t* ipv6) {
  const auto& ip = *reinterpret_cast<const Ipv6Header*>(ipv6);
  auto* udp = reinterpret_cast<UdpHeader*>(ipv6 + sizeof(Ipv6Header));
  // The pseudo header: both addresses, length and protocol (RFC 8200, section 8.1).
  const uint64_t sum =
      uint64_t{OnesComplementSum(ip.source, 32).wire()} +
      OnesComplementSum(ipv6 + sizeof(Ipv6Header), ip.payload_length.host()).wire() +
      ip.payload_length.wire() + Be16(static_cast<uint16_t>(IpProtocol::kUdp)).wire();
  const auto checksum = static_cast<uint16_t>(~FoldSum(sum));
  udp->checksum = Be16::FromWire(checksum == 0 ? 0xffff : checksum);  // 0 would mean none
}

}  // namespace guideway
