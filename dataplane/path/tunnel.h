// Parts of Encapsulate: the outer IP header, which all tunnels have, and what is not plain IPIP.
//
// HOT PATH: no allocation, lock, log, system call or exception. Called for packets that have a
// backend and are certain to leave; the caller has checked room and MTU.
#ifndef GUIDEWAY_DATAPLANE_PATH_TUNNEL_H_
#define GUIDEWAY_DATAPLANE_PATH_TUNNEL_H_

#include "dataplane/path/path.h"
#include "dataplane/path/state.h"
#include "lib/net/encapsulation.h"
#include "lib/net/gue.h"

namespace guideway {

// Bytes in front of the packet: outer IP header and GRE or GUE; none for L3DSR.
uint32_t TunnelBytes(const Packet& packet);

// GRE and GUE: writes `outer_bytes` in front of `ip_header`. L3DSR: rewrites the packet. Returns
// the family of the first IP header.
IpFamily WriteTunnel(const Packet& packet, uint8_t* ip_header, uint32_t outer_bytes,
                     PathState& state);

// `outer_family`: that of the backend's outer_destination.
inline GueHeader DescribeGue(const Packet& packet, IpFamily outer_family) {
  const Backend& backend = *packet.backend;
  return {.source_port = TunnelSourcePort(packet.flow_hash),
          .destination_port = backend.gue_port,
          .hop_list = backend.gue_hop_list,
          .hop = packet.alternate != nullptr ? &packet.alternate->outer_destination : nullptr,
          .outer_family = outer_family};
}

// Writes the outer IP header at `outer`. Returns its family. Inline, because plain IPIP needs
// nothing else.
inline IpFamily WriteOuterIp(const Packet& packet, const InnerPacket& inner, uint8_t* outer,
                             PathState& state) {
  const Backend& backend = *packet.backend;
  IpAddress spread;
  const IpAddress* source = &backend.outer_source;  // not copied: that would cost a nanosecond
  if (backend.source_flow_bits != 0) [[unlikely]] {
    spread = SpreadSource(*source, backend.source_flow_bits, packet.flow_hash);
    source = &spread;
  }
  if (backend.outer_destination.IsIpv4()) {
    const uint32_t identification = inner.dont_fragment ? 0u : state.next_ipv4_id++;
    WriteOuterIpv4(outer, inner, source->ipv4(), backend.outer_destination.ipv4(), identification);
    return IpFamily::kIpv4;
  }
  WriteOuterIpv6(outer, inner, *source, backend.outer_destination,
                 static_cast<uint32_t>(packet.flow_hash));
  return IpFamily::kIpv6;
}

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_PATH_TUNNEL_H_
