// HOT PATH: no allocation, lock, log, system call or exception.
//
// Last stage: the packet as it leaves. Nothing is written before it is certain that it leaves.
// What IPIP and L2 need is here; the other encapsulations are in tunnel.cc.
#include <cstddef>
#include <cstring>

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
  if (backend.encapsulation == Encapsulation::kIpip) [[likely]]
    return OuterHeaderBytes(backend.outer_destination.family());
  return backend.encapsulation == Encapsulation::kL2 ? 0 : TunnelBytes(packet);
}

void WriteEthernet(uint8_t* frame, const NextHop& next_hop, Be16 type) {
  // Both addresses in one go: they stand side by side here and there.
  constexpr size_t kAddressBytes = 2 * sizeof(MacAddress);
  static_assert(offsetof(NextHop, source_mac) ==
                offsetof(NextHop, destination_mac) + sizeof(MacAddress));
  static_assert(offsetof(EthernetHeader, type) == kAddressBytes);
  std::memcpy(frame,
              reinterpret_cast<const uint8_t*>(&next_hop) + offsetof(NextHop, destination_mac),
              kAddressBytes);
  std::memcpy(frame + kAddressBytes, &type, sizeof(type));
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

// Nearly every packet: no tag, no fragment, no MSS to lower. False: Forward() is to decide, and
// nothing has been written.
template <PlainOuter kOuter>
bool ForwardPlain(Packet& packet, const Backend& backend, PathState& state) {
  constexpr uint32_t kLinkBytes = sizeof(EthernetHeader);
  constexpr uint32_t kOuterBytes = kOuter == PlainOuter::kIpv4   ? sizeof(Ipv4Header)
                                   : kOuter == PlainOuter::kIpv6 ? sizeof(Ipv6Header)
                                                                 : 0;
  const uint32_t out_bytes = kOuterBytes + packet.ip_length_bytes;
  if (out_bytes > backend.next_hop.mtu_bytes || packet.max_segment_size != 0 ||
      kOuterBytes + kLinkBytes > uint32_t{packet.headroom_bytes} + packet.l3_offset) [[unlikely]] {
    return false;
  }
  uint8_t* ip_header = packet.frame + packet.l3_offset;
  DecrementTtl(packet.family, ip_header);
  uint8_t* outer = ip_header - kOuterBytes;
  Be16 type = packet.family == IpFamily::kIpv4 ? ether_type::kIpv4 : ether_type::kIpv6;
  if constexpr (kOuter != PlainOuter::kL2) {
    const InnerPacket inner = DescribeInner(packet.family, ip_header, packet.ip_length_bytes);
    if constexpr (kOuter == PlainOuter::kIpv4) {
      type = ether_type::kIpv4;
      const uint32_t identification = inner.dont_fragment ? 0u : state.next_ipv4_id++;
      WriteOuterIpv4(outer, inner, backend.outer_source.ipv4(), backend.outer_destination.ipv4(),
                     identification);
    } else {
      type = ether_type::kIpv6;
      WriteOuterIpv6(outer, inner, backend.outer_source, backend.outer_destination,
                     static_cast<uint32_t>(packet.flow_hash));
    }
  }
  uint8_t* frame = outer - kLinkBytes;
  WriteEthernet(frame, backend.next_hop, type);
  packet.frame = frame;
  packet.length_bytes = kLinkBytes + out_bytes;
  packet.transmit_port = backend.next_hop.port;
  packet.verdict = Verdict::kForward;
  return true;
}

bool ForwardPlain(Packet& packet, PathState& state) {
  const Backend& backend = *packet.backend;
  switch (backend.plain_outer) {
    case PlainOuter::kNone:
      return false;
    case PlainOuter::kIpv4:
      return ForwardPlain<PlainOuter::kIpv4>(packet, backend, state);
    case PlainOuter::kIpv6:
      return ForwardPlain<PlainOuter::kIpv6>(packet, backend, state);
    case PlainOuter::kL2:
      return ForwardPlain<PlainOuter::kL2>(packet, backend, state);
  }
  return false;
}

}  // namespace

void Encapsulate(Packet* packets, uint32_t count, PathState& state) {
  for (Packet* packet = packets; packet != packets + count; ++packet) {
    if (packet->pending() && !ForwardPlain(*packet, state)) Forward(*packet, state);
  }
}

}  // namespace guideway
