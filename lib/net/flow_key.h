// FlowKey: what identifies a flow - the 5-tuple as it stands in the packet the client sent.
//
// Addresses are 16 bytes (IPv4 mapped), ports in network order. 40 bytes, no padding bits that
// differ, so keys compare and hash as words. Thread safety: values.
#ifndef GUIDEWAY_LIB_NET_FLOW_KEY_H_
#define GUIDEWAY_LIB_NET_FLOW_KEY_H_

#include <cstdint>

#include "lib/net/address.h"
#include "lib/net/big_endian.h"

namespace guideway {

enum class IpProtocol : uint8_t {
  kIcmp = 1,
  kIpip = 4,
  kTcp = 6,
  kUdp = 17,
  kIpv6 = 41,
  kGre = 47,
  kIcmpv6 = 58,
  kNoNextHeader = 59,
};

// The ICMP of a family.
constexpr IpProtocol IcmpOf(IpFamily family) {
  return family == IpFamily::kIpv4 ? IpProtocol::kIcmp : IpProtocol::kIcmpv6;
}

struct FlowKey {
  IpAddress source;       // the client
  IpAddress destination;  // the VIP's address
  Be16 source_port;
  Be16 destination_port;
  IpProtocol protocol = IpProtocol::kTcp;
  uint8_t zero[3] = {};  // always zero

  friend bool operator==(const FlowKey&, const FlowKey&) = default;
};
static_assert(sizeof(FlowKey) == 40);

}  // namespace guideway

#endif  // GUIDEWAY_LIB_NET_FLOW_KEY_H_
