// HOT PATH: no allocation, lock, log, system call or exception.
//
// Last stage: the packet as it leaves. Nothing is written before it is certain that it leaves.
// What IPIP and L2 need is here; the other encapsulations are in tunnel.cc.
#include "dataplane/path/tunnel.h"
#include "lib/net/checksum.h"
#include "lib/net/encapsulation.h"
#include "lib/net/headers.h"

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

uint32_t LinkBytes(const NextHop& next_hop) {
  const size_t tag_bytes = next_hop.vlan == Be16(0) ? 0 : sizeof(VlanTag);
  return static_cast<uint32_t>(sizeof(EthernetHeader) + tag_bytes);
}

void WriteLink(uint8_t* frame, const NextHop& next_hop, Be16 type) {
  auto* ethernet = reinterpret_cast<EthernetHeader*>(frame);
  ethernet->destination = next_hop.destination_mac;
  ethernet->source = next_hop.source_mac;
  ethernet->type = type;
  if (next_hop.vlan == Be16(0)) return;
  ethernet->type = ether_type::kVlan;
  auto* tag = reinterpret_cast<VlanTag*>(frame + sizeof(EthernetHeader));
  tag->control = next_hop.vlan;
  tag->type = type;
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
  if (out_bytes > next_hop.mtu_bytes) return packet.Drop(DropReason::too_big);
  const uint32_t link_bytes = LinkBytes(next_hop);
  if (link_bytes + outer_bytes > uint32_t{packet.headroom_bytes} + packet.l3_offset) {
    return packet.Drop(DropReason::no_headroom);
  }
  if (backend.encapsulation == Encapsulation::kL3dsr &&
      packet.family != backend.outer_destination.family()) {
    return packet.Drop(DropReason::l3dsr_family);
  }

  uint8_t* ip_header = packet.frame + packet.l3_offset;
  DecrementTtl(packet.family, ip_header);
  const IpFamily family = WriteOuter(packet, ip_header, outer_bytes, state);
  // Tags that the packet came with are not copied: they are the link's that it came from.
  uint8_t* frame = ip_header - outer_bytes - link_bytes;
  packet.headroom_bytes = static_cast<uint16_t>(packet.headroom_bytes + (frame - packet.frame));
  packet.frame = frame;
  packet.length_bytes = link_bytes + out_bytes;
  WriteLink(frame, next_hop, family == IpFamily::kIpv4 ? ether_type::kIpv4 : ether_type::kIpv6);
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
