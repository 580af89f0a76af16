// Layer-3 direct server return: the packet is sent to the backend's address as it is, with no outer
// header; its DSCP tells the backend which VIP to put back and answer from.
//
// Pure bytes. IPv4, TCP and UDP checksums are updated incrementally (RFC 1624). Thread safety: pure
// functions.
#ifndef GUIDEWAY_LIB_NET_L3DSR_H_
#define GUIDEWAY_LIB_NET_L3DSR_H_

#include <cstdint>

#include "lib/net/address.h"
#include "lib/net/flow_key.h"

namespace guideway {

inline constexpr uint8_t kMaxDscp = 63;

// Sets the DSCP (0..63; ECN stays) and the destination (of `family`) of a whole TCP, UDP or ICMP
// packet with a validated IP header; TCP or UDP begins `transport_offset_bytes` behind its start. A
// wrong checksum stays wrong by as much; a UDP checksum of 0 (none) stays 0. Of IPv4 also of a
// fragment: the first one must hold the checksum, later ones have no transport header.
// kNoNextHeader: a later fragment of IPv6, which has none either.
void RewriteForL3dsr(IpFamily family, IpProtocol protocol, uint8_t* ip_header,
                     uint32_t transport_offset_bytes, uint8_t dscp, const IpAddress& destination);

}  // namespace guideway

#endif  // GUIDEWAY_LIB_NET_L3DSR_H_
