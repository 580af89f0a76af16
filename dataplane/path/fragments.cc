// HOT PATH: no allocation, lock, log, system call or exception.
#include "dataplane/path/fragments.h"

#include "dataplane/path/backend_of.h"
#include "dataplane/path/fragment_header.h"
#include "lib/net/headers.h"

namespace guideway {
namespace {

constexpr BackendId kNobody = 0xffffffff;

// Whether it can be of a VIP's flow: in IPv6 only the first fragment knows for certain.
bool MayBeTransport(const Fragment& fragment, IpFamily family) {
  return IsTransport(fragment.protocol) ||
         (family == IpFamily::kIpv6 && ipv6_extension::Is(static_cast<uint8_t>(fragment.protocol)));
}

// The identification takes the ports' place. In IPv6 the fragments' protocols may differ.
uint64_t TagOf(const Packet& packet, const Fragment& fragment, const Snapshot& tables) {
  const bool ipv4 = packet.family == IpFamily::kIpv4;
  return FlowHash(tables.flow_hash_key,
                  {.source = packet.key.source,
                   .destination = packet.key.destination,
                   .source_port = Be16(static_cast<uint16_t>(fragment.identification >> 16)),
                   .destination_port = Be16(static_cast<uint16_t>(fragment.identification)),
                   .protocol = ipv4 ? fragment.protocol : IpProtocol::kIpv6});
}

// As ParseHeaders does for whole packets; but a UDP length goes beyond a first fragment.
void CheckTransport(Packet& packet, const uint8_t* at) {
  if (packet.key.protocol == IpProtocol::kUdp) {
    const uint16_t length_bytes = reinterpret_cast<const UdpHeader*>(at)->length.host();
    if (length_bytes < sizeof(UdpHeader)) packet.SetDefect(DropReason::udp_header_bad);
    return;
  }
  const auto& tcp = *reinterpret_cast<const TcpHeader*>(at);
  packet.tcp_flags = tcp.flags;
  if (tcp.header_bytes() < sizeof(TcpHeader) || !TcpFlagsAreGood(tcp.flags)) {
    packet.SetDefect(DropReason::tcp_header_bad);
  }
}

// From here on a packet like any other: pending, or the kernel's if no VIP takes it.
void BeginFirst(Packet& packet, const FirstHeaders& headers, const Snapshot& tables) {
  packet.key.protocol = headers.protocol;
  packet.transport_offset = static_cast<uint16_t>(headers.transport_at);
  if (IsTransport(headers.protocol)) {
    const uint8_t* at = packet.frame + packet.l3_offset + headers.transport_at;
    packet.key.source_port = reinterpret_cast<const UdpHeader*>(at)->source_port;
    packet.key.destination_port = reinterpret_cast<const UdpHeader*>(at)->destination_port;
    const VipCell* cell =
        tables.vips.Find(packet.key.destination, packet.key.destination_port, headers.protocol);
    if (cell != nullptr) {
      packet.vip = cell->vip;
      packet.pool = cell->pool;
      packet.max_segment_size = cell->max_segment_size;
      CheckTransport(packet, at);
      if (packet.defective) return packet.Drop(packet.defect);
      packet.verdict = Verdict::kPending;
    }
  }
  packet.ports_known = true;
}

void Remember(Packet& packet, const Snapshot& tables, PathState& state) {
  // Those that follow have no ports, so no second backend could tell whether they are its own.
  packet.alternate = nullptr;
  const Fragment fragment = DescribeFragment(packet);
  state.fragments->Decide({.tag = TagOf(packet, fragment, tables),
                           .backend = packet.backend != nullptr ? packet.backend->id : kNobody,
                           .source_port = packet.key.source_port,
                           .destination_port = packet.key.destination_port,
                           .protocol = packet.key.protocol,
                           .first_end_bytes = static_cast<uint16_t>(fragment.payload_bytes)},
                          state.now_ms);
}

// To packet.backend or, if it has none, to whom the slot belongs.
void Send(Packet& packet, const VipCell& cell, const Backend* backend, const Snapshot& tables) {
  packet.vip = cell.vip;
  packet.pool = cell.pool;
  packet.flow_hash = FlowHash(tables.flow_hash_key, packet.key);
  packet.backend = backend;
  if (packet.backend == nullptr) {
    const channel::MaglevSlot* slot = SlotFor(packet, tables);
    packet.backend = slot != nullptr ? BackendOf(*slot, tables) : nullptr;
  }
  if (packet.backend == nullptr) return packet.Drop(DropReason::no_backend);
  packet.verdict = Verdict::kPending;
}

void SettleLater(Packet& packet, const Snapshot& tables, PathState& state) {
  const FragmentDecision* decision = state.fragments->Find(packet.flow_hash, state.now_ms);
  if (decision == nullptr) return;
  if (DescribeFragment(packet).offset_bytes < decision->first_end_bytes) {
    return packet.Drop(DropReason::fragment_bad);
  }
  packet.verdict = Verdict::kToKernel;
  packet.key.source_port = decision->source_port;
  packet.key.destination_port = decision->destination_port;
  packet.key.protocol = decision->protocol;
  if (!IsTransport(decision->protocol)) return;
  const VipCell* cell =
      tables.vips.Find(packet.key.destination, decision->destination_port, decision->protocol);
  if (cell != nullptr) Send(packet, *cell, KnownBackend(tables, decision->backend), tables);
}

void SettleByHash3(Packet& packet, const Snapshot& tables) {
  packet.verdict = Verdict::kToKernel;
  packet.key.protocol = DescribeFragment(packet).protocol;
  if (!IsTransport(packet.key.protocol)) return;
  const VipCell* cell = tables.vips.FindForFragments(packet.key.destination, packet.key.protocol);
  if (cell != nullptr) Send(packet, *cell, nullptr, tables);
}

}  // namespace

void BeginFragment(Packet& packet, const Snapshot& tables, PathState& state) {
  const Fragment fragment = DescribeFragment(packet);
  packet.verdict = Verdict::kToKernel;
  if (!MayBeTransport(fragment, packet.family)) return;
  ++state.counted[Counter::fragments_received];
  if (tables.fragments == channel::FragmentPolicy::kDrop) {
    return packet.Drop(DropReason::fragment_policy);
  }
  if (packet.defective) return packet.Drop(packet.defect);
  if (Ipv4OptionsOfFragmentAreBad(packet)) return packet.Drop(DropReason::ip_options_bad);
  if (FragmentIsBad(fragment)) return packet.Drop(DropReason::fragment_bad);
  state.fragments_in_burst = true;
  const bool by_hash3 = tables.fragments == channel::FragmentPolicy::kHash3;
  packet.transport_offset = static_cast<uint16_t>(fragment.payload_at);
  if (fragment.first()) {
    const FirstHeaders headers = FindFirstHeaders(packet, fragment);
    if (!headers.whole) return packet.Drop(DropReason::fragment_bad);
    if (headers.protocol == IcmpOf(packet.family)) return packet.Drop(DropReason::icmp_bad);
    if (!by_hash3) return BeginFirst(packet, headers, tables);
    packet.ports_known = true;
  }
  packet.verdict = Verdict::kHold;
  if (!by_hash3) packet.flow_hash = TagOf(packet, fragment, tables);
}

void SettleFragments(Burst& burst, const Snapshot& tables, PathState& state) {
  state.fragments_in_burst = false;
  const bool by_hash3 = tables.fragments == channel::FragmentPolicy::kHash3;
  // All first ones first: within a burst the order does not matter.
  for (const uint8_t place : burst.left) {
    Packet& packet = burst.packets[place];
    if (!by_hash3 && packet.kind == PacketKind::kFragment && packet.ports_known) {
      Remember(packet, tables, state);
    }
  }
  for (const uint8_t place : burst.left) {
    Packet& packet = burst.packets[place];
    if (packet.verdict != Verdict::kHold) continue;
    by_hash3 ? SettleByHash3(packet, tables) : SettleLater(packet, tables, state);
  }
}

}  // namespace guideway
