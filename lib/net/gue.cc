#include "lib/net/gue.h"

#include <cstring>

#include "lib/net/checksum.h"
#include "lib/net/headers.h"

namespace guideway {

void WriteGue(uint8_t* shim, const GueHeader& header, IpProtocol inner_protocol,
              uint32_t inner_bytes) {
  const uint32_t shim_bytes = GueBytes(header);
  *reinterpret_cast<UdpHeader*>(shim) = {
      .source_port = header.source_port,
      .destination_port = header.destination_port,
      .length = Be16(static_cast<uint16_t>(shim_bytes + inner_bytes)),
      .checksum = {}};
  auto* words = reinterpret_cast<Be32*>(shim + sizeof(UdpHeader));
  const uint32_t list_words = (shim_bytes - 12) / 4;
  words[0] = Be32(list_words << 24 | uint32_t{static_cast<uint8_t>(inner_protocol)} << 16);
  if (!header.hop_list) return;
  const bool ipv4 = header.outer_family == IpFamily::kIpv4;
  words[1] = Be32(uint32_t{ipv4 ? kGueHopsIpv4 : kGueHopsIpv6} << 16 | (header.hop != nullptr));
  if (header.hop == nullptr) return;
  if (ipv4) {
    words[2] = header.hop->ipv4();
  } else {
    std::memcpy(&words[2], header.hop->bytes.data(), sizeof(header.hop->bytes));
  }
}

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
