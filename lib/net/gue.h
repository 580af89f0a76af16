// Generic UDP Encapsulation, variant 0 (draft-ietf-intarea-gue-09), with an optional hop list.
//
//   UDP header | version 0, C 0, Hlen:5 | protocol:8 (4, 41) | flags:16 (0) | [hop list] | packet
//   hop list: type:16 | index of the next hop:8 | number of hops:8 | hops
//     type 0: IPv4 hops of 4 bytes, type 1: IPv6 hops of 16 bytes
//
// Hlen counts the 32-bit words of the hop list. A receiver that has no socket for the packet sends
// it to the hop at the index, which it raises by one; past the last hop it keeps the packet. A
// receiver that looks for hops wants the list in every packet, so it may be empty.
// Pure bytes: the caller provides room and writes the outer IP header. Thread safety: pure
// functions.
#ifndef GUIDEWAY_LIB_NET_GUE_H_
#define GUIDEWAY_LIB_NET_GUE_H_

#include <cstdint>
#include <cstring>

#include "lib/net/address.h"
#include "lib/net/big_endian.h"
#include "lib/net/flow_key.h"

namespace guideway {

inline constexpr uint16_t kGueHopsIpv4 = 0, kGueHopsIpv6 = 1;  // types of hop lists

struct GueHeader {
  Be16 source_port;
  Be16 destination_port;
  bool hop_list = false;
  const IpAddress* hop = nullptr;           // borrowed; the only hop; only with hop_list
  IpFamily outer_family = IpFamily::kIpv4;  // also that of `hop`
};

// Bytes of the UDP header, the GUE header and the hop list: 12 to 32.
constexpr uint32_t GueBytes(const GueHeader& header) {
  if (!header.hop_list) return 12;
  if (header.hop == nullptr) return 16;
  return header.outer_family == IpFamily::kIpv4 ? 20 : 32;
}

// Writes GueBytes(header) bytes at `shim`, in front of an inner packet of `inner_protocol` (kIpip
// or kIpv6) and `inner_bytes`. The UDP checksum is written as 0: none.
void WriteGue(uint8_t* shim, const GueHeader& header, IpProtocol inner_protocol,
              uint32_t inner_bytes);

// The UDP source port of a flow's tunnel packets: 49152..65535 (RFC 7605, section 7.2; RFC 6335).
inline Be16 TunnelSourcePort(uint64_t flow_hash) {
  return Be16(static_cast<uint16_t>(0xc000 | (flow_hash >> 20 & 0x3fff)));
}

// Computes the checksum of the UDP datagram behind the IPv6 header at `ipv6`, over all of it
// (RFC 8200, section 8.1). The header's payload length must be that of the datagram, and its
// checksum 0.
void FillUdpChecksum(uint8_t* ipv6);

// Inline, because the packet path calls it for every packet; by words, all of which the checksum
// may have to read back.
inline void WriteGue(uint8_t* shim, const GueHeader& header, IpProtocol inner_protocol,
                     uint32_t inner_bytes) {
  const uint32_t shim_bytes = GueBytes(header);
  auto* words = reinterpret_cast<Be32*>(shim);
  words[0] = Be32(uint32_t{header.source_port.host()} << 16 | header.destination_port.host());
  words[1] = Be32((shim_bytes + inner_bytes) << 16);  // and no checksum
  words[2] =
      Be32((shim_bytes - 12) / 4 << 24 | uint32_t{static_cast<uint8_t>(inner_protocol)} << 16);
  if (!header.hop_list) return;
  const bool ipv4 = header.outer_family == IpFamily::kIpv4;
  const uint32_t type = ipv4 ? kGueHopsIpv4 : kGueHopsIpv6;
  words[3] = Be32(type << 16 | (header.hop != nullptr));
  if (header.hop == nullptr) return;
  if (ipv4) {
    words[4] = header.hop->ipv4();
  } else {
    std::memcpy(&words[4], header.hop->bytes.data(), sizeof(header.hop->bytes));
  }
}

}  // namespace guideway

#endif  // GUIDEWAY_LIB_NET_GUE_H_
