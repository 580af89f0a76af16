// HOT PATH: no allocation, lock, log, system call or exception.
//
// GRE, GUE and L3DSR.
#include "dataplane/path/tunnel.h"

#include "lib/net/l3dsr.h"

namespace guideway {
namespace {

using channel::Encapsulation;

IpFamily WriteGreTunnel(const Packet& packet, uint8_t* ip_header, uint32_t outer_bytes,
                        PathState& state) {
  const InnerPacket inner = DescribeInner(packet.family, ip_header, packet.ip_length_bytes);
  WriteGre(ip_header - kGreBytes, inner.protocol);
  return WriteOuterIp(packet, BehindShim(inner, IpProtocol::kGre, kGreBytes),
                      ip_header - outer_bytes, state);
}

IpFamily WriteGueTunnel(const Packet& packet, uint8_t* ip_header, uint32_t outer_bytes,
                        PathState& state) {
  const InnerPacket inner = DescribeInner(packet.family, ip_header, packet.ip_length_bytes);
  const GueHeader gue = DescribeGue(packet, packet.backend->outer_destination.family());
  const uint32_t gue_bytes = GueBytes(gue);
  WriteGue(ip_header - gue_bytes, gue, inner.protocol, packet.ip_length_bytes);
  uint8_t* outer = ip_header - outer_bytes;
  const IpFamily family =
      WriteOuterIp(packet, BehindShim(inner, IpProtocol::kUdp, gue_bytes), outer, state);
  if (family == IpFamily::kIpv6 && !packet.backend->gue_zero_checksum6) FillUdpChecksum(outer);
  return family;
}

// The key of an ICMP error is that of the flow it is about; that of a later fragment belongs to a
// header that is in the first.
IpProtocol TransportProtocol(const Packet& packet) {
  if (IsLaterFragment(packet)) return IpProtocol::kNoNextHeader;
  return packet.kind == PacketKind::kIcmp ? IcmpOf(packet.family) : packet.key.protocol;
}

}  // namespace

uint32_t TunnelBytes(const Packet& packet) {
  const Backend& backend = *packet.backend;
  if (backend.encapsulation == Encapsulation::kL3dsr) return 0;
  const uint32_t shim_bytes =
      backend.encapsulation == Encapsulation::kGre
          ? kGreBytes
          : GueBytes(DescribeGue(packet, packet.backend->outer_destination.family()));
  return OuterHeaderBytes(backend.outer_destination.family()) + shim_bytes;
}

IpFamily WriteTunnel(const Packet& packet, uint8_t* ip_header, uint32_t outer_bytes,
                     PathState& state) {
  const Backend& backend = *packet.backend;
  switch (backend.encapsulation) {
    case Encapsulation::kGre:
      return WriteGreTunnel(packet, ip_header, outer_bytes, state);
    case Encapsulation::kGue:
      return WriteGueTunnel(packet, ip_header, outer_bytes, state);
    case Encapsulation::kL3dsr:
      RewriteForL3dsr(packet.family, TransportProtocol(packet), ip_header, packet.transport_offset,
                      backend.dscp, backend.outer_destination);
      return packet.family;
    case Encapsulation::kL2:
    case Encapsulation::kIpip:
      break;  // not for this file
  }
  return packet.family;
}

}  // namespace guideway
