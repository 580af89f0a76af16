// IP-in-IP: the outer header of 4in4 (RFC 2003), 6in4 (RFC 4213), 4in6 and 6in6 (RFC 2473).
//
// Pure bytes: the caller provides room in front of the inner packet and writes the link layer.
// DSCP and ECN are copied outward (RFC 2983 uniform model, RFC 6040 normal mode). Thread safety:
// pure functions.
#ifndef GUIDEWAY_LIB_NET_ENCAPSULATION_H_
#define GUIDEWAY_LIB_NET_ENCAPSULATION_H_

#include <cstdint>

#include "lib/net/address.h"
#include "lib/net/headers.h"

namespace guideway {

inline constexpr uint8_t kOuterTtl = 64;

constexpr uint32_t OuterHeaderBytes(IpFamily outer_family) {
  return outer_family == IpFamily::kIpv4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header);
}

// What the outer header takes over from the inner one.
struct InnerPacket {
  IpFamily family = IpFamily::kIpv4;
  uint16_t length_bytes = 0;  // the whole IP packet
  uint8_t traffic_class = 0;  // DSCP and ECN
  // The tunnel must not fragment: DF of an IPv4 packet; always so for IPv6, whose sender expects no
  // router to fragment (RFC 4213, section 3.2).
  bool dont_fragment = false;
};

// Reads an inner packet whose fixed IP header has been validated.
InnerPacket DescribeInner(IpFamily family, const uint8_t* ip_header, uint16_t length_bytes);

// Writes 20 bytes at `outer`. `identification` should differ between packets of one tunnel that may
// be fragmented; it is written as 0 where DF is set (RFC 6864: meaningless there).
// length_bytes + 20 must not exceed 65535.
void WriteOuterIpv4(uint8_t* outer, const InnerPacket& inner, Be32 source, Be32 destination,
                    uint16_t identification);

// Writes 40 bytes at `outer`. The low 20 bits of `flow_label` are used (RFC 6438).
void WriteOuterIpv6(uint8_t* outer, const InnerPacket& inner, const IpAddress& source,
                    const IpAddress& destination, uint32_t flow_label);

// Inline: returned through memory it would cost as much as all of the rest.
inline InnerPacket DescribeInner(IpFamily family, const uint8_t* ip_header, uint16_t length_bytes) {
  InnerPacket inner;
  inner.family = family;
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

}  // namespace guideway

#endif  // GUIDEWAY_LIB_NET_ENCAPSULATION_H_
