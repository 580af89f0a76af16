// Outer IP headers of all tunnels, and the GRE header.
//
// Directly in front of the inner packet they are IP in IP: 4in4 (RFC 2003), 6in4 (RFC 4213), 4in6
// and 6in6 (RFC 2473). With a shim between them, GRE (RFC 2784, RFC 7676) or GUE (gue.h).
// Pure bytes: the caller provides room in front of the inner packet and writes the link layer.
// DSCP and ECN are copied outward (RFC 2983 uniform model, RFC 6040 normal mode). Thread safety:
// pure functions.
#ifndef GUIDEWAY_LIB_NET_ENCAPSULATION_H_
#define GUIDEWAY_LIB_NET_ENCAPSULATION_H_

#include <cstdint>
#include <cstring>

#include "lib/net/address.h"
#include "lib/net/checksum.h"
#include "lib/net/headers.h"

namespace guideway {

inline constexpr uint8_t kOuterTtl = 64;

constexpr uint32_t OuterHeaderBytes(IpFamily outer_family) {
  return outer_family == IpFamily::kIpv4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header);
}

// What follows the outer header, and what that takes over from the inner one.
struct InnerPacket {
  IpProtocol protocol = IpProtocol::kIpip;  // kIpip: IPv4, kIpv6: IPv6; else a shim's
  uint16_t length_bytes = 0;                // the whole IP packet, and the shim if there is one
  uint8_t traffic_class = 0;                // DSCP and ECN
  // The tunnel must not fragment: DF of an IPv4 packet; always so for IPv6, whose sender expects no
  // router to fragment (RFC 4213, section 3.2).
  bool dont_fragment = false;
};

// Reads an inner packet whose fixed IP header has been validated.
InnerPacket DescribeInner(IpFamily family, const uint8_t* ip_header, uint16_t length_bytes);

// Writes 20 bytes at `outer`. `identification` should differ between packets of one tunnel that may
// be fragmented; its low 16 bits are used, or 0 where DF is set (RFC 6864: meaningless there).
// length_bytes + 20 must not exceed 65535.
void WriteOuterIpv4(uint8_t* outer, const InnerPacket& inner, Be32 source, Be32 destination,
                    uint32_t identification);

// The same with the second word of the header: identification and fragment field.
inline constexpr Be32 kDontFragmentWord(uint32_t{Ipv4Header::kDontFragment.host()});
void WriteOuterIpv4(uint8_t* outer, const InnerPacket& inner, Be32 source, Be32 destination,
                    Be32 fragment_word);

// Writes 40 bytes at `outer`. The low 20 bits of `flow_label` are used (RFC 6438).
void WriteOuterIpv6(uint8_t* outer, const InnerPacket& inner, const IpAddress& source,
                    const IpAddress& destination, uint32_t flow_label);

// The same with a shim of `shim_bytes` in front of it.
InnerPacket BehindShim(InnerPacket inner, IpProtocol shim_protocol, uint32_t shim_bytes);

inline constexpr uint32_t kGreBytes = 4;
// Writes the 4 bytes of a GRE header without checksum, key and sequence number in front of an inner
// packet of `inner_protocol` (kIpip or kIpv6).
void WriteGre(uint8_t* gre, IpProtocol inner_protocol);

// Limits of the next function's `flow_bits`.
inline constexpr uint8_t kMinFlowBits = 2, kMaxFlowBits = 32, kMaxFlowBitsIpv4 = 24;

// The outer source address of a flow where `flow_bits` low bits of it come from the flow
// hash, so that what spreads by source address at the backend (receive queues) spreads the flows of
// one tunnel. Those bits are 0 in `prefix`. Never all zeros or all ones, which name no host.
IpAddress SpreadSource(const IpAddress& prefix, uint32_t flow_bits, uint64_t flow_hash);

// Inline, because the packet path calls them for every packet.

// By words, summed before they are stored: reading fresh small stores back as words would stall.
inline void WriteOuterIpv4(uint8_t* outer, const InnerPacket& inner, Be32 source, Be32 destination,
                           Be32 fragment_word) {
  const uint32_t length_bytes = uint32_t{sizeof(Ipv4Header)} + inner.length_bytes;
  const Be32 version_to_length(0x45u << 24 | uint32_t{inner.traffic_class} << 16 | length_bytes);
  const Be32 ttl_and_protocol(uint32_t{kOuterTtl} << 24 |
                              uint32_t{static_cast<uint8_t>(inner.protocol)} << 16);
  const uint64_t sum = uint64_t{version_to_length.wire()} + fragment_word.wire() +
                       ttl_and_protocol.wire() + source.wire() + destination.wire();
  auto* words = reinterpret_cast<Be32*>(outer);
  words[0] = version_to_length;
  words[1] = fragment_word;
  words[2] = ttl_and_protocol;
  words[3] = source;
  words[4] = destination;
  reinterpret_cast<Ipv4Header*>(outer)->checksum =
      Be16::FromWire(static_cast<uint16_t>(~FoldSum(sum)));
}

inline void WriteOuterIpv4(uint8_t* outer, const InnerPacket& inner, Be32 source, Be32 destination,
                           uint32_t identification) {
  WriteOuterIpv4(outer, inner, source, destination,
                 inner.dont_fragment ? kDontFragmentWord : Be32(identification << 16));
}

inline void WriteOuterIpv6(uint8_t* outer, const InnerPacket& inner, const IpAddress& source,
                           const IpAddress& destination, uint32_t flow_label) {
  auto* header = reinterpret_cast<Ipv6Header*>(outer);
  header->version_class_label =
      Be32(6u << 28 | uint32_t{inner.traffic_class} << 20 | (flow_label & 0xfffff));
  header->payload_length = Be16(inner.length_bytes);
  header->next_header = inner.protocol;
  header->hop_limit = kOuterTtl;
  std::memcpy(header->source, source.bytes.data(), sizeof(header->source));
  std::memcpy(header->destination, destination.bytes.data(), sizeof(header->destination));
}

inline InnerPacket DescribeInner(IpFamily family, const uint8_t* ip_header, uint16_t length_bytes) {
  InnerPacket inner;
  inner.protocol = family == IpFamily::kIpv4 ? IpProtocol::kIpip : IpProtocol::kIpv6;
  inner.length_bytes = length_bytes;
  if (family == IpFamily::kIpv4) {
    const auto* ip = reinterpret_cast<const Ipv4Header*>(ip_header);
    inner.traffic_class = ip->dscp_ecn;
    inner.dont_fragment = ip->dont_fragment();
  } else {
    inner.traffic_class = reinterpret_cast<const Ipv6Header*>(ip_header)->traffic_class();
    inner.dont_fragment = true;
  }
  return inner;
}

inline void WriteGre(uint8_t* gre, IpProtocol inner_protocol) {
  const Be16 type = inner_protocol == IpProtocol::kIpip ? ether_type::kIpv4 : ether_type::kIpv6;
  *reinterpret_cast<Be32*>(gre) = Be32(type.host());  // no flags, version 0
}

inline InnerPacket BehindShim(InnerPacket inner, IpProtocol shim_protocol, uint32_t shim_bytes) {
  inner.protocol = shim_protocol;
  inner.length_bytes = static_cast<uint16_t>(inner.length_bytes + shim_bytes);
  return inner;
}

}  // namespace guideway

#endif  // GUIDEWAY_LIB_NET_ENCAPSULATION_H_
