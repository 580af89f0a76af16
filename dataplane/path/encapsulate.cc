// HOT PATH: no allocation, lock, log, system call or exception.
//
// Last stage: the packet as it leaves. Nothing is written before it is certain that it leaves.
// What IPIP and L2 need is here; the other encapsulations are in tunnel.cc.
#include "dataplane/path/too_big.h"
#include "dataplane/path/tunnel.h"
#include "lib/net/checksum.h"
#include "lib/net/encapsulation.h"
#include "lib/net/headers.h"
#include "lib/net/mss.h"

namespace guideway {
namespace {

using channel::Encapsulation;

uint32_t OuterBytes(const Packet& packet) {
  const Backend& backend = *packet.backend;
  if (backend.encapsulation == Encapsulation::kL2) return 0;
  const IpFamily outer_family = backend.outer_destination.family();
  if (backend.encapsulation == Encapsulation::kIpip) return OuterHeaderBytes(outer_family);
  return TunnelBytes(packet);
}

void WriteEthernet(uint8_t* frame, const NextHop& next_hop, Be16 type) {
  auto* ethernet = reinterpret_cast<EthernetHeader*>(frame);
  ethernet->destination = next_hop.destination_mac;
  ethernet->source = next_hop.source_mac;
  ethernet->type = type;
}

// Puts the next hop's tag between the addresses and the type. Written anew, not moved: reading what
// was just written in other pieces would wait for it.
void InsertTag(Packet& packet, const NextHop& next_hop) {
  packet.frame -= sizeof(VlanTag);
  packet.headroom_bytes = static_cast<uint16_t>(packet.headroom_bytes - sizeof(VlanTag));
  packet.length_bytes += static_cast<uint32_t>(sizeof(VlanTag));
  WriteEthernet(packet.frame, next_hop, ether_type::kVlan);
  reinterpret_cast<VlanTag*>(packet.frame + sizeof(EthernetHeader))->control = next_hop.vlan;
}

void DecrementTtl(IpFamily family, uint8_t* ip_header) {
  if (family == IpFamily::kIpv6) {
    --reinterpret_cast<Ipv6Header*>(ip_header)->hop_limit;
    return;
  }
  auto* ip = reinterpret_cast<Ipv4Header*>(ip_header);
  --ip->ttl;
  // The TTL is the high byte of a checksummed word w: ~w + (w - 0x0100), whatever w is.
  constexpr Be16 kDelta(0xfeff);
  ip->checksum = UpdateChecksum(ip->checksum, uint64_t{kDelta.wire()});
}

void ClampMss(const Packet& packet, uint8_t* ip_header, PathState& state) {
  if (packet.max_segment_size == 0) return;
  const uint32_t tcp_bytes = uint32_t{packet.ip_length_bytes} - packet.transport_offset;
  const bool lowered =
      LowerMss(ip_header + packet.transport_offset, tcp_bytes, packet.max_segment_size);
  if (lowered) ++state.counted[Counter::mss_lowered];
}

// Returns the family that the Ethernet header announces.
IpFamily WriteOuter(const Packet& packet, uint8_t* ip_header, uint32_t outer_bytes,
                    PathState& state) {
  const Backend& backend = *packet.backend;
  if (backend.encapsulation == Encapsulation::kL2) return packet.family;
  if (backend.encapsulation != Encapsulation::kIpip) {
    return WriteTunnel(packet, ip_header, outer_bytes, state);
  }
  const InnerPacket inner = DescribeInner(packet.family, ip_header, packet.ip_length_bytes);
  return WriteOuterIp(packet, inner, ip_header - outer_bytes, state);
}

void Forward(Packet& packet, PathState& state) {
  const Backend& backend = *packet.backend;
  const NextHop& next_hop = backend.next_hop;
  if (next_hop.mtu_bytes == 0) return packet.Drop(DropReason::no_next_hop);
  const uint32_t outer_bytes = OuterBytes(packet);
  const uint32_t out_bytes = outer_bytes + packet.ip_length_bytes;
  if (backend.encapsulation == Encapsulation::kL3dsr &&
      packet.family != backend.outer_destination.family()) {
    return packet.Drop(DropReason::l3dsr_family);
  }
  if (out_bytes > next_hop.mtu_bytes) return HandleTooBig(packet, outer_bytes, state);
  constexpr uint32_t kLinkBytes = sizeof(EthernetHeader);
  const bool tagged = next_hop.vlan != Be16(0);
  const uint32_t more_bytes = outer_bytes + (tagged ? uint32_t{sizeof(VlanTag)} : 0);
  if (more_bytes + kLinkBytes > uint32_t{packet.headroom_bytes} + packet.l3_offset) {
    return packet.Drop(DropReason::no_headroom);
  }

  uint8_t* ip_header = packet.frame + packet.l3_offset;
  if ((packet.tcp_flags & kTcpSyn) != 0) ClampMss(packet, ip_header, state);
  DecrementTtl(packet.family, ip_header);
  const IpFamily family = WriteOuter(packet, ip_header, outer_bytes, state);
  // Tags that the packet came with are not copied: they are the link's that it came from.
  uint8_t* frame = ip_header - outer_bytes - kLinkBytes;
  packet.headroom_bytes = static_cast<uint16_t>(packet.headroom_bytes + (frame - packet.frame));
  packet.frame = frame;
  packet.length_bytes = kLinkBytes + out_bytes;
  WriteEthernet(frame, next_hop, family == IpFamily::kIpv4 ? ether_type::kIpv4 : ether_type::kIpv6);
  if (tagged) [[unlikely]]
    InsertTag(packet, next_hop);
  packet.transmit_port = next_hop.port;
  packet.verdict = Verdict::kForward;
}

}  // namespace

void Encapsulate(Packet* packets, uint32_t count, PathState& state) {
  for (uint32_t i = 0; i < count; ++i) {
    if (packets[i].pending()) Forward(packets[i], state);
  }
}

}  // namespace guideway
