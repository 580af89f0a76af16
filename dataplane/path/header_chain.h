// What may stand between an IP header and TCP or UDP: IPv4 options, IPv6 extension headers.
//
// Rare, so kept out of the hot loop's code. Pure functions; they read nothing beyond the length
// given.
#ifndef GUIDEWAY_DATAPLANE_PATH_HEADER_CHAIN_H_
#define GUIDEWAY_DATAPLANE_PATH_HEADER_CHAIN_H_

#include <cstdint>

#include "lib/net/flow_key.h"

namespace guideway {

// False if an option's length is impossible, or if they ask for source routing (RFC 791): the
// address in the header is not the packet's destination then.
bool Ipv4OptionsAreGood(const uint8_t* options, uint32_t length_bytes);

struct ExtensionHeaders {
  // Truncated, more than eight, or a routing header with segments left (the address in the header
  // is not the packet's destination then). The fields below say nothing.
  bool bad = false;
  // Of a datagram in several pieces. An atomic fragment is a whole packet (RFC 6946), hence not
  // one. The walk ends at the fragment header then.
  bool fragment = false;
  IpProtocol protocol = IpProtocol::kTcp;  // what follows, behind the fragment header if `fragment`
  uint32_t length_bytes = 0;  // of all extension headers; of those before the one of a fragment
};

// Walks the extension headers that begin at `at` with one of type `next_header` (RFC 8200, 4302).
ExtensionHeaders WalkExtensionHeaders(uint8_t next_header, const uint8_t* at,
                                      uint32_t length_bytes);

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_PATH_HEADER_CHAIN_H_
