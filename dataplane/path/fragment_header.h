// What the IP header, or the fragment header of IPv6, says of a fragment.
//
// Rare, so kept out of the hot loop's code. Pure functions.
#ifndef GUIDEWAY_DATAPLANE_PATH_FRAGMENT_HEADER_H_
#define GUIDEWAY_DATAPLANE_PATH_FRAGMENT_HEADER_H_

#include <cstdint>

#include "dataplane/path/packet.h"

namespace guideway {

struct Fragment {
  IpProtocol protocol = IpProtocol::kUdp;  // IPv6: of what follows the fragment header
  bool more = false;
  uint32_t identification = 0;
  uint32_t offset_bytes = 0;   // of the payload in the datagram's
  uint32_t payload_at = 0;     // from the IP header
  uint32_t payload_bytes = 0;  // that this fragment holds
  uint32_t header_bytes = 0;   // that the datagram's length counts besides the payload

  bool first() const { return offset_bytes == 0; }
};

// Of a packet that ParseHeaders found to be a kFragment: the headers in front of the payload are
// whole.
Fragment DescribeFragment(const Packet& packet);

// No datagram has such a fragment - empty, no multiple of 8 bytes though not the last, beyond 65535
// bytes - or its TCP header would be in two (RFC 791, 1858, 8200).
bool FragmentIsBad(const Fragment& fragment);

// What ParseHeaders leaves out for fragments.
bool Ipv4OptionsOfFragmentAreBad(const Packet& packet);

// Where TCP or UDP begins in a first fragment.
struct FirstHeaders {
  bool whole = false;  // all headers are there (RFC 7112), up to the end of TCP or UDP's, if any
  IpProtocol protocol = IpProtocol::kUdp;
  uint32_t transport_at = 0;  // from the IP header
};
FirstHeaders FindFirstHeaders(const Packet& packet, const Fragment& fragment);

constexpr bool IsTransport(IpProtocol protocol) {
  return protocol == IpProtocol::kTcp || protocol == IpProtocol::kUdp;
}

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_PATH_FRAGMENT_HEADER_H_
