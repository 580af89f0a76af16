// HOT PATH: no allocation, lock, log, system call or exception.
//
// Last stage: the packet as it leaves. Nothing is written before it is certain that it leaves. What
// nearly every packet takes is in forward_plain.h; here is what all can take, and for IPIP and L2
// how. The other encapsulations are in tunnel.cc.
#include "dataplane/path/forward_plain.h"
#include "dataplane/path/too_big.h"
#include "dataplane/path/tunnel.h"
#include "lib/net/encapsulation.h"
#include "lib/net/headers.h"
#include "lib/net/mss.h"

namespace guideway {
namespace {

using channel::Encapsulation;

uint32_t OuterBytes(const Packet& packet) {
  const Backend& backend = *packet.backend;
  if (backend.encapsulation == Encapsulation::kIpip) [[likely]]
    return OuterHeaderBytes(backend.outer_destination.family());
  return backend.encapsulation == Encapsulation::kL2 ? 0 : TunnelBytes(packet);
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

void ClampMss(const Packet& packet, uint8_t* ip_header, PathState& state) {
  if (packet.max_segment_size == 0) return;
  const uint32_t tcp_bytes = uint32_t{packet.ip_length_bytes} - packet.transport_offset;
  const bool lowered =
      LowerMss(ip_header + packet.transport_offset, tcp_bytes, packet.max_segment_size);
  if (lowered) ++state.counted[Counter::mss_lowered];
}

bool L3dsrFits(const Packet& packet) {
  const Backend& backend = *packet.backend;
  return backend.encapsulation != Encapsulation::kL3dsr ||
         packet.family == backend.outer_destination.family();
}

// Returns the family that the Ethernet header announces.
IpFamily WriteOuter(const Packet& packet, uint8_t* ip_header, uint32_t outer_bytes,
                    PathState& state) {
  const Backend& backend = *packet.backend;
  if (backend.encapsulation == Encapsulation::kIpip) [[likely]] {
    const InnerPacket inner = DescribeInner(packet.family, ip_header, packet.ip_length_bytes);
    return WriteOuterIp(packet, inner, ip_header - outer_bytes, state);
  }
  if (backend.encapsulation == Encapsulation::kL2) return packet.family;
  return WriteTunnel(packet, ip_header, outer_bytes, state);
}

// Why a packet cannot leave as it is; apart, so that the plain path stays short.
[[gnu::noinline, gnu::cold]] void HandleUnfit(Packet& packet, uint32_t outer_bytes,
                                              PathState& state) {
  if (packet.backend->next_hop.mtu_bytes == 0) return packet.Drop(DropReason::no_next_hop);
  if (!L3dsrFits(packet)) return packet.Drop(DropReason::l3dsr_family);
  HandleTooBig(packet, outer_bytes, state);
}

[[gnu::noinline]] void Forward(Packet& packet, PathState& state) {
  constexpr uint32_t kLinkBytes = sizeof(EthernetHeader);
  const NextHop& next_hop = packet.backend->next_hop;
  const uint32_t outer_bytes = OuterBytes(packet);
  const uint32_t out_bytes = outer_bytes + packet.ip_length_bytes;
  if (out_bytes > next_hop.mtu_bytes || !L3dsrFits(packet)) [[unlikely]] {
    return HandleUnfit(packet, outer_bytes, state);
  }
  const bool tagged = next_hop.vlan != Be16(0);
  const uint32_t more_bytes = outer_bytes + (tagged ? uint32_t{sizeof(VlanTag)} : 0);
  if (more_bytes + kLinkBytes > uint32_t{packet.headroom_bytes} + packet.l3_offset) [[unlikely]] {
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

void Encapsulate(Packet& packet, PathState& state) {
  if (!ForwardPlain(packet, state)) Forward(packet, state);
}

void EncapsulateLeft(Burst& burst, PathState& state) {
  for (const uint8_t place : burst.left) {
    Packet& packet = burst.packets[place];
    if (packet.pending()) Encapsulate(packet, state);
  }
}

}  // namespace guideway
