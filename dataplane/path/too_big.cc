// HOT PATH: no allocation, lock, log, system call or exception.
#include "dataplane/path/too_big.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "dataplane/path/header_chain.h"
#include "lib/net/checksum.h"
#include "lib/net/headers.h"

namespace guideway {
namespace {

constexpr uint32_t kMinMtuIpv4 = 68, kMinMtuIpv6 = 1280;
// Of the whole reply: RFC 1812, section 4.3.2.3; RFC 4443, section 2.4 (c).
constexpr uint32_t kMaxReplyIpv4 = 576, kMaxReplyIpv6 = 1280;
constexpr uint8_t kReplyTtl = 64, kInternetworkControl = 0xc0;  // RFC 1812, section 4.3.2.5
constexpr uint8_t kV4Unreachable = 3, kV4FragmentationNeeded = 4, kV6PacketTooBig = 2;

bool IsGroup(const MacAddress& address) { return (address.bytes[0] & 1) != 0; }

bool MayBeCut(const Ipv4Header& ip, uint32_t mtu_bytes) {
  const uint32_t header_bytes = ip.header_bytes();
  if (mtu_bytes < header_bytes + kMinFragmentPayloadBytes) return false;
  const uint32_t of_each = (mtu_bytes - header_bytes) / 8 * 8;
  return ip.total_length.host() - header_bytes <= of_each * kMaxFragments;
}

bool IsLaterFragment(const Ipv6Header& ip, uint32_t length_bytes) {
  const auto next_header = static_cast<uint8_t>(ip.next_header);
  if (!ipv6_extension::Is(next_header)) return false;
  const auto* at = reinterpret_cast<const uint8_t*>(&ip) + sizeof(ip);
  const ExtensionHeaders headers =
      WalkExtensionHeaders(next_header, at, length_bytes - uint32_t{sizeof(ip)});
  if (headers.bad || !headers.fragment) return headers.bad;
  const uint8_t* fragment = at + headers.length_bytes;
  return fragment[2] != 0 || (fragment[3] & 0xf8) != 0;
}

bool MayBeAnswered(const Packet& packet, const uint8_t* ip_header) {
  if (packet.kind == PacketKind::kIcmp) return false;  // only errors get here
  const auto& ethernet = *reinterpret_cast<const EthernetHeader*>(packet.frame);
  if (IsGroup(ethernet.destination) || IsGroup(ethernet.source)) return false;
  if (packet.family == IpFamily::kIpv6) {
    return !IsLaterFragment(*reinterpret_cast<const Ipv6Header*>(ip_header),
                            packet.ip_length_bytes);
  }
  const auto& ip = *reinterpret_cast<const Ipv4Header*>(ip_header);
  const bool class_e = ip.source.host() >> 28 == 0xf;
  return !class_e && (ip.fragment.host() & 0x1fff) == 0;
}

// Makes room for `head_bytes` between the link-layer header and the IP packet, of which the reply
// quotes no more than makes `max_bytes` in all. Returns the place; the addresses of both layers are
// those of the way back then, in the link-layer header and by the caller in the IP header.
uint8_t* MakeRoom(Packet& packet, uint32_t head_bytes, uint32_t max_bytes) {
  uint8_t* frame = packet.frame - head_bytes;
  std::memmove(frame, packet.frame, packet.l3_offset);
  auto* ethernet = reinterpret_cast<EthernetHeader*>(frame);
  std::swap(ethernet->destination, ethernet->source);
  packet.frame = frame;
  packet.headroom_bytes = static_cast<uint16_t>(packet.headroom_bytes - head_bytes);
  const uint32_t ip_bytes = std::min(head_bytes + packet.ip_length_bytes, max_bytes);
  packet.length_bytes = packet.l3_offset + ip_bytes;
  return frame + packet.l3_offset;
}

void WriteIpv4Reply(Packet& packet, uint16_t mtu_bytes) {
  constexpr uint32_t kHeadBytes = sizeof(Ipv4Header) + sizeof(IcmpHeader);
  uint8_t* at = MakeRoom(packet, kHeadBytes, kMaxReplyIpv4);
  const uint32_t ip_bytes = packet.length_bytes - packet.l3_offset;
  const auto& asked = *reinterpret_cast<const Ipv4Header*>(at + kHeadBytes);
  auto* ip = reinterpret_cast<Ipv4Header*>(at);
  *ip = {.version_ihl = 0x45,
         .dscp_ecn = kInternetworkControl,
         .total_length = Be16(static_cast<uint16_t>(ip_bytes)),
         .identification = Be16(0),  // meaningless with DF (RFC 6864)
         .fragment = Ipv4Header::kDontFragment,
         .ttl = kReplyTtl,
         .protocol = IpProtocol::kIcmp,
         .checksum = Be16(0),
         .source = asked.destination,
         .destination = asked.source};
  ip->checksum = InternetChecksum(at, sizeof(*ip));
  auto* icmp = reinterpret_cast<IcmpHeader*>(at + sizeof(*ip));
  *icmp = {.type = kV4Unreachable,
           .code = kV4FragmentationNeeded,
           .checksum = Be16(0),
           .rest = Be32(mtu_bytes)};
  icmp->checksum =
      InternetChecksum(reinterpret_cast<uint8_t*>(icmp), ip_bytes - uint32_t{sizeof(*ip)});
}

void WriteIpv6Reply(Packet& packet, uint32_t mtu_bytes) {
  constexpr uint32_t kHeadBytes = sizeof(Ipv6Header) + sizeof(IcmpHeader);
  uint8_t* at = MakeRoom(packet, kHeadBytes, kMaxReplyIpv6);
  const uint32_t icmp_bytes = packet.length_bytes - packet.l3_offset - uint32_t{sizeof(Ipv6Header)};
  const auto& asked = *reinterpret_cast<const Ipv6Header*>(at + kHeadBytes);
  auto* ip = reinterpret_cast<Ipv6Header*>(at);
  ip->version_class_label = Be32(6u << 28);
  ip->payload_length = Be16(static_cast<uint16_t>(icmp_bytes));
  ip->next_header = IpProtocol::kIcmpv6;
  ip->hop_limit = kReplyTtl;
  std::memcpy(ip->source, asked.destination, sizeof(ip->source));
  std::memcpy(ip->destination, asked.source, sizeof(ip->destination));
  auto* icmp = reinterpret_cast<IcmpHeader*>(at + sizeof(*ip));
  *icmp = {.type = kV6PacketTooBig, .code = 0, .checksum = Be16(0), .rest = Be32(mtu_bytes)};
  // Both addresses stand side by side (RFC 8200, section 8.1).
  uint64_t sum = OnesComplementSum(ip->source, 2 * sizeof(ip->source)).wire();
  sum += Be32(icmp_bytes).wire();
  sum += Be32(static_cast<uint32_t>(IpProtocol::kIcmpv6)).wire();
  sum += OnesComplementSum(reinterpret_cast<uint8_t*>(icmp), icmp_bytes).wire();
  icmp->checksum = Be16::FromWire(static_cast<uint16_t>(~FoldSum(sum)));
}

}  // namespace

void HandleTooBig(Packet& packet, uint32_t outer_bytes, PathState& state) {
  const uint32_t mtu_bytes = packet.backend->next_hop.mtu_bytes;
  const uint32_t room_bytes = mtu_bytes > outer_bytes ? mtu_bytes - outer_bytes : 0;
  const uint8_t* ip_header = packet.frame + packet.l3_offset;
  const bool ipv4 = packet.family == IpFamily::kIpv4;
  packet.Drop(DropReason::too_big);  // if nothing better is found
  if (const auto& ip = *reinterpret_cast<const Ipv4Header*>(ip_header);
      ipv4 && !ip.dont_fragment()) {
    if (!MayBeCut(ip, room_bytes)) return;
    packet.fragment_mtu_bytes = static_cast<uint16_t>(room_bytes);
    packet.transmit_port = packet.backend->next_hop.port;
    packet.verdict = Verdict::kFragment;
    return;
  }
  const uint32_t senders_mtu_bytes = std::max(room_bytes, ipv4 ? kMinMtuIpv4 : kMinMtuIpv6);
  if (packet.ip_length_bytes <= senders_mtu_bytes || !MayBeAnswered(packet, ip_header)) return;
  const uint32_t ip_bytes = ipv4 ? uint32_t{sizeof(Ipv4Header)} : uint32_t{sizeof(Ipv6Header)};
  const uint32_t head_bytes = ip_bytes + uint32_t{sizeof(IcmpHeader)};
  if (head_bytes > packet.headroom_bytes) return packet.Drop(DropReason::no_headroom);
  if (!state.too_big_replies.Take(state.now_ms)) {
    return packet.Drop(DropReason::too_big_rate_limited);
  }
  ipv4 ? WriteIpv4Reply(packet, static_cast<uint16_t>(senders_mtu_bytes))
       : WriteIpv6Reply(packet, senders_mtu_bytes);
  ++state.counted[Counter::too_big_replies];
  packet.verdict = Verdict::kAnswer;
}

}  // namespace guideway
