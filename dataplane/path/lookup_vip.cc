// HOT PATH: no allocation, lock, log, system call or exception.
//
// Second stage: is this packet for a VIP, and do we forward packets like it? Hashes the flows of
// those that we do: their bucket is on its way from memory while the rest of the burst is looked
// at.
#include "dataplane/path/fragments.h"
#include "dataplane/path/icmp.h"
#include "dataplane/path/path.h"
#include "dataplane/path/quic.h"

namespace guideway {
namespace {

// Truncated before the end of the ports: nobody can say which VIP it is for.
[[gnu::noinline, gnu::cold]] void DropWithoutPorts(Packet& packet, const VipTable& vips) {
  if (vips.HasAddress(packet.key.destination)) return packet.Drop(packet.defect);
  packet.verdict = Verdict::kToKernel;
}

void LookupPlain(Packet& packet, const Snapshot& tables, PathState& state) {
  const FlowKey& key = packet.key;
  if (!packet.ports_known) [[unlikely]]
    return DropWithoutPorts(packet, tables.vips);
  const VipCell* cell = tables.vips.Find(key.destination, key.destination_port, key.protocol);
  if (cell == nullptr) {
    packet.verdict = Verdict::kToKernel;
    return;
  }
  packet.vip = cell->vip;
  packet.pool = cell->pool;
  packet.max_segment_size = cell->max_segment_size;
  if (packet.defective) [[unlikely]]
    return packet.Drop(packet.defect);
  if (cell->quic_vip != 0) [[unlikely]] {  // without the hint a plain packet takes 3% longer
    RouteByConnectionId(packet, *cell, tables, state);
  }
}

[[gnu::noinline]] void LookupOther(Packet& packet, const Snapshot& tables, PathState& state) {
  packet.verdict = Verdict::kToKernel;
  if (packet.kind == PacketKind::kNotIp || packet.kind == PacketKind::kOtherProtocol) return;
  if (!tables.vips.HasAddress(packet.key.destination)) return;
  switch (packet.kind) {
    case PacketKind::kFragment:
      return BeginFragment(packet, tables, state);
    case PacketKind::kIcmp:
      return HandleIcmp(packet, tables, state);
    case PacketKind::kPlain:
    case PacketKind::kNotIp:
    case PacketKind::kOtherProtocol:
      return;
  }
}

}  // namespace

void LookupVip(Burst& burst, const Snapshot& tables, PathState& state) {
  const FlowTable& flows = *state.flows;
  for (Packet& packet : burst) {
    if (!packet.pending()) continue;
    if (packet.kind == PacketKind::kPlain) {
      LookupPlain(packet, tables, state);
    } else {
      LookupOther(packet, tables, state);
    }
    if (!packet.pending()) continue;
    packet.flow_hash = FlowHash(tables.flow_hash_key, packet.key);
    flows.Prefetch(packet.flow_hash);
  }
}

}  // namespace guideway
