// HOT PATH: no allocation, lock, log, system call or exception.
//
// Last stage: the packet as it leaves. Nothing is written before it is certain that it leaves.
#include "dataplane/path/path.h"
#include "lib/net/checksum.h"
#include "lib/net/encapsulation.h"
#include "lib/net/headers.h"

namespace guideway {
namespace {

uint32_t OuterBytes(const Backend& backend) {
  return backend.encapsulation == channel::Encapsulation::kL2
             ? 0
             : OuterHeaderBytes(backend.outer_destination.family());
}

void DecrementTtl(IpFamily family, uint8_t* ip_header) {
  if (family == IpFamily::kIpv6) {
    --reinterpret_cast<Ipv6Header*>(ip_header)->hop_limit;
    return;
  }
  auto* ip = reinterpret_cast<Ipv4Header*>(ip_header);
  const auto word = [&] {  // the checksummed word that the TTL is the high byte of
    return Be16(static_cast<uint16_t>(ip->ttl << 8 | static_cast<uint8_t>(ip->protocol)));
  };
  const Be16 before = word();
  --ip->ttl;
  ip->checksum = UpdateChecksum(ip->checksum, before, word());
}

void WriteOuter(uint8_t* outer, const uint8_t* ip_header, const Packet& packet, PathState& state) {
  const Backend& backend = *packet.backend;
  const InnerPacket inner = DescribeInner(packet.family, ip_header, packet.ip_length_bytes);
  if (backend.outer_destination.IsIpv4()) {
    const uint16_t identification = inner.dont_fragment ? uint16_t{0} : state.next_ipv4_id++;
    WriteOuterIpv4(outer, inner, backend.outer_source.ipv4(), backend.outer_destination.ipv4(),
                   identification);
  } else {
    WriteOuterIpv6(outer, inner, backend.outer_source, backend.outer_destination,
                   static_cast<uint32_t>(packet.flow_hash));
  }
}

void Forward(Packet& packet, PathState& state) {
  const Backend& backend = *packet.backend;
  const NextHop& next_hop = backend.next_hop;
  if (next_hop.mtu_bytes == 0) return packet.Drop(DropReason::no_next_hop);
  const uint32_t outer_bytes = OuterBytes(backend);
  const uint32_t out_bytes = outer_bytes + packet.ip_length_bytes;
  if (out_bytes > next_hop.mtu_bytes) return packet.Drop(DropReason::too_big);
  if (outer_bytes > packet.headroom_bytes) return packet.Drop(DropReason::no_headroom);

  uint8_t* ip_header = packet.frame + packet.l3_offset;
  DecrementTtl(packet.family, ip_header);
  IpFamily family = packet.family;
  if (outer_bytes != 0) {
    WriteOuter(ip_header - outer_bytes, ip_header, packet, state);
    family = backend.outer_destination.family();
  }
  // Only untagged frames get here, so the Ethernet header ends where the IP header begins.
  packet.frame -= outer_bytes;
  packet.headroom_bytes = static_cast<uint16_t>(packet.headroom_bytes - outer_bytes);
  packet.length_bytes = static_cast<uint32_t>(sizeof(EthernetHeader)) + out_bytes;
  auto* ethernet = reinterpret_cast<EthernetHeader*>(packet.frame);
  ethernet->destination = next_hop.destination_mac;
  ethernet->source = next_hop.source_mac;
  ethernet->type = family == IpFamily::kIpv4 ? ether_type::kIpv4 : ether_type::kIpv6;
  packet.transmit_port = next_hop.port;
  packet.verdict = Verdict::kForward;
}

}  // namespace

void Encapsulate(Burst& burst, PathState& state) {
  for (uint32_t i = 0; i < burst.count; ++i) {
    Packet& packet = burst.packets[i];
    if (packet.pending()) Forward(packet, state);
  }
}

}  // namespace guideway
