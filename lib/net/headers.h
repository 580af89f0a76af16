// Packet headers as they stand on the wire: Ethernet, 802.1Q, IPv4, IPv6, TCP, UDP, ICMP.
//
// Every multi-byte field is a Be type of alignment 1, so a header may be laid over any address
// inside a packet once its length has been checked. Sources: RFC 791, 8200, 9293, 768, 792, 4443;
// IEEE 802.3, 802.1Q. Thread safety: plain data.
#ifndef GUIDEWAY_LIB_NET_HEADERS_H_
#define GUIDEWAY_LIB_NET_HEADERS_H_

#include <cstdint>

#include "lib/net/address.h"
#include "lib/net/big_endian.h"
#include "lib/net/flow_key.h"

namespace guideway {

namespace ether_type {
inline constexpr Be16 kIpv4{0x0800};
inline constexpr Be16 kIpv6{0x86dd};
inline constexpr Be16 kVlan{0x8100};         // 802.1Q
inline constexpr Be16 kServiceVlan{0x88a8};  // 802.1ad
}  // namespace ether_type

struct EthernetHeader {
  MacAddress destination;
  MacAddress source;
  Be16 type;
};
static_assert(sizeof(EthernetHeader) == 14);

// What follows the two MAC addresses of a tagged frame's type field.
struct VlanTag {
  Be16 control;  // priority 3 bits, drop eligible 1, VLAN 12
  Be16 type;     // of what follows
};
static_assert(sizeof(VlanTag) == 4);

struct Ipv4Header {
  uint8_t version_ihl;  // header length in 32-bit words in the low 4 bits
  uint8_t dscp_ecn;
  Be16 total_length;  // bytes, this header included
  Be16 identification;
  Be16 fragment;  // reserved, DF, MF; offset in units of 8 bytes
  uint8_t ttl;
  IpProtocol protocol;
  Be16 checksum;
  Be32 source;
  Be32 destination;

  unsigned version() const { return version_ihl >> 4; }
  uint32_t header_bytes() const { return (version_ihl & 15u) * 4; }
  bool dont_fragment() const { return (fragment.wire() & kDontFragment.wire()) != 0; }
  // A first, middle or last fragment, as opposed to a whole packet.
  bool is_fragment() const { return (fragment.wire() & kFragmentMask.wire()) != 0; }

  static constexpr Be16 kDontFragment{0x4000};
  static constexpr Be16 kFragmentMask{0x3fff};  // MF and the offset
};
static_assert(sizeof(Ipv4Header) == 20 && alignof(Ipv4Header) == 1);

struct Ipv6Header {
  Be32 version_class_label;  // 4, 8 and 20 bits
  Be16 payload_length;       // bytes after this header
  IpProtocol next_header;
  uint8_t hop_limit;
  uint8_t source[16];
  uint8_t destination[16];

  unsigned version() const { return version_class_label.host() >> 28; }
  uint8_t traffic_class() const { return static_cast<uint8_t>(version_class_label.host() >> 20); }
};
static_assert(sizeof(Ipv6Header) == 40 && alignof(Ipv6Header) == 1);

// Next-header values of IPv6 that are extension headers (RFC 8200, 4302, 6275, 7401, 5533).
namespace ipv6_extension {
inline constexpr uint8_t kHopByHop = 0, kRouting = 43, kFragment = 44, kAuthentication = 51,
                         kDestination = 60, kMobility = 135, kHip = 139, kShim6 = 140;
constexpr bool Is(uint8_t next_header) {
  return next_header == kHopByHop || next_header == kRouting || next_header == kFragment ||
         next_header == kAuthentication || next_header == kDestination ||
         next_header == kMobility || next_header == kHip || next_header == kShim6;
}
}  // namespace ipv6_extension

struct TcpHeader {
  Be16 source_port;
  Be16 destination_port;
  Be32 sequence;
  Be32 acknowledgment;
  uint8_t data_offset;  // header length in 32-bit words in the high 4 bits
  uint8_t flags;        // kTcp* below
  Be16 window;
  Be16 checksum;
  Be16 urgent;

  uint32_t header_bytes() const { return data_offset >> 2 & 0x3cu; }
};
static_assert(sizeof(TcpHeader) == 20 && alignof(TcpHeader) == 1);

struct UdpHeader {
  Be16 source_port;
  Be16 destination_port;
  Be16 length;  // bytes, this header included
  Be16 checksum;
};
static_assert(sizeof(UdpHeader) == 8 && alignof(UdpHeader) == 1);

// What all ICMP and ICMPv6 messages begin with.
struct IcmpHeader {
  uint8_t type;
  uint8_t code;
  Be16 checksum;  // over the message; of ICMPv6 over its pseudo header, too
  Be32 rest;      // the type decides
};
static_assert(sizeof(IcmpHeader) == 8 && alignof(IcmpHeader) == 1);

}  // namespace guideway

#endif  // GUIDEWAY_LIB_NET_HEADERS_H_
