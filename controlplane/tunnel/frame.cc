// See frame.h.
#include "controlplane/tunnel/frame.h"

#include <cstring>

#include "lib/net/encapsulation.h"
#include "lib/net/gue.h"
#include "lib/net/headers.h"
#include "lib/net/l3dsr.h"

namespace guideway {
namespace {

using channel::Encapsulation;

static_assert(kProbeHeadroomBytes >= sizeof(EthernetHeader) + sizeof(VlanTag) + sizeof(Ipv6Header) +
                                         32 /* GueBytes() at most */);

// GRE or GUE, without the outer IP header. Returns what that has behind it.
InnerPacket WriteShim(const ProbeCarrier& carrier, const InnerPacket& inner, uint8_t* ip_header) {
  const channel::BackendBody& backend = carrier.backend;
  if (backend.encapsulation == Encapsulation::kGre) {
    WriteGre(ip_header - kGreBytes, inner.protocol);
    return BehindShim(inner, IpProtocol::kGre, kGreBytes);
  }
  if (backend.encapsulation != Encapsulation::kGue) return inner;
  const GueHeader gue = {.source_port = TunnelSourcePort(carrier.flow_hash),
                         .destination_port = backend.gue_port,
                         .hop_list = backend.gue_hop_list != 0,
                         .hop = nullptr,
                         .outer_family = backend.outer_destination.family()};
  WriteGue(ip_header - GueBytes(gue), gue, inner.protocol, inner.length_bytes);
  return BehindShim(inner, IpProtocol::kUdp, GueBytes(gue));
}

// Writes all of a tunnel in front of the packet; returns how many bytes.
uint32_t WriteTunnel(const ProbeCarrier& carrier, IpFamily family, uint8_t* ip_header,
                     uint16_t length_bytes) {
  const channel::BackendBody& backend = carrier.backend;
  const InnerPacket inner = DescribeInner(family, ip_header, length_bytes);
  const InnerPacket behind = WriteShim(carrier, inner, ip_header);
  const IpFamily outer_family = backend.outer_destination.family();
  const uint32_t outer_bytes = OuterHeaderBytes(outer_family) + behind.length_bytes - length_bytes;
  uint8_t* outer = ip_header - outer_bytes;
  const IpAddress source =
      backend.source_flow_bits == 0
          ? backend.outer_source
          : SpreadSource(backend.outer_source, backend.source_flow_bits, carrier.flow_hash);
  if (outer_family == IpFamily::kIpv4) {
    const auto identification = static_cast<uint16_t>(carrier.flow_hash);
    WriteOuterIpv4(outer, behind, source.ipv4(), backend.outer_destination.ipv4(), identification);
    return outer_bytes;
  }
  WriteOuterIpv6(outer, behind, source, backend.outer_destination,
                 static_cast<uint32_t>(carrier.flow_hash));
  if (backend.encapsulation == Encapsulation::kGue && backend.gue_zero_checksum6 == 0) {
    FillUdpChecksum(outer);
  }
  return outer_bytes;
}

uint32_t WriteEthernet(const channel::NextHopBody& next_hop, IpFamily family, uint8_t* end) {
  const Be16 type = family == IpFamily::kIpv4 ? ether_type::kIpv4 : ether_type::kIpv6;
  const bool tagged = next_hop.vlan != 0;
  const uint32_t bytes = uint32_t{sizeof(EthernetHeader)} + (tagged ? sizeof(VlanTag) : 0);
  *reinterpret_cast<EthernetHeader*>(end - bytes) = {.destination = next_hop.destination_mac,
                                                     .source = next_hop.source_mac,
                                                     .type = tagged ? ether_type::kVlan : type};
  if (tagged) {
    *reinterpret_cast<VlanTag*>(end - sizeof(VlanTag)) = {.control = Be16(next_hop.vlan),
                                                          .type = type};
  }
  return bytes;
}

}  // namespace

uint32_t WriteProbeFrame(const ProbeCarrier& carrier, uint8_t* ip_header, uint16_t length_bytes) {
  const channel::BackendBody& backend = carrier.backend;
  IpFamily family = ip_header[0] >> 4 == 4 ? IpFamily::kIpv4 : IpFamily::kIpv6;
  uint32_t bytes = 0;
  if (channel::IsTunnel(backend.encapsulation)) {
    bytes = WriteTunnel(carrier, family, ip_header, length_bytes);
    family = backend.outer_destination.family();
  } else if (backend.encapsulation == Encapsulation::kL3dsr) {
    const uint32_t transport_offset =
        family == IpFamily::kIpv4 ? reinterpret_cast<const Ipv4Header*>(ip_header)->header_bytes()
                                  : uint32_t{sizeof(Ipv6Header)};
    RewriteForL3dsr(family, IpProtocol::kTcp, ip_header, transport_offset, backend.dscp,
                    backend.outer_destination);
  }
  return bytes + WriteEthernet(carrier.next_hop, family, ip_header - bytes);
}

}  // namespace guideway
