// HOT PATH: no allocation, lock, log, system call or exception.
//
// First and second stage, packet by packet: what is it (parse_headers.h), is it for a VIP, and do
// we forward packets like it? Hashes the flows of those that we do: their bucket is on its way from
// memory while the rest of the burst is looked at.
#include <cstddef>
#include <cstring>

#include "dataplane/path/fragments.h"
#include "dataplane/path/icmp.h"
#include "dataplane/path/parse_headers.h"
#include "dataplane/path/path.h"
#include "dataplane/path/quic.h"

namespace guideway {
namespace {

// Truncated before the end of the ports: nobody can say which VIP it is for.
[[gnu::noinline, gnu::cold]] void DropWithoutPorts(Packet& packet, const VipTable& vips) {
  if (vips.HasAddress(packet.key.destination)) return packet.Drop(packet.defect);
  packet.verdict = Verdict::kToKernel;
}

// Pool, MSS and VIP stand side by side here and there: one word.
void SetVip(Packet& packet, const VipCell& cell) {
  constexpr size_t kPoolAt = offsetof(VipCell, pool);
  static_assert(offsetof(VipCell, max_segment_size) - kPoolAt == 2 &&
                offsetof(VipCell, vip) - kPoolAt == 4 && sizeof(packet.vip) == 4);
  const auto* from = reinterpret_cast<const uint8_t*>(&cell) + kPoolAt;
  std::memcpy(reinterpret_cast<uint8_t*>(&packet.pool), from, sizeof(uint64_t));
}

[[gnu::always_inline]] inline void FetchFlow(Packet& packet, const Snapshot& tables,
                                             PathState& state) {
  packet.flow_hash = FlowHash(tables.flow_hash_key, packet.key);
  packet.bucket = state.flows->Prefetch(packet.flow_hash);
}

// A TCP or UDP packet whose ports are known.
[[gnu::always_inline]] inline void LookupPlain(Packet& packet, uint32_t& without_vip,
                                               const Snapshot& tables, PathState& state) {
  const VipCell* cell = tables.vips.Find(packet.key);
  if (cell == nullptr) {
    packet.verdict = Verdict::kToKernel;
    ++without_vip;
    return;
  }
  SetVip(packet, *cell);
  if (packet.defective) [[unlikely]]
    return packet.Drop(packet.defect);
  FetchFlow(packet, tables, state);
  if (cell->quic_vip != 0) [[unlikely]]  // without the hint a plain packet takes 3% longer
    RouteByConnectionId(packet, *cell, tables, state);
}

void LookupOther(Packet& packet, const Snapshot& tables, PathState& state) {
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

// What is not plain, as ParseFrame() sees it.
[[gnu::noinline]] void LookupFrame(Packet& packet, uint32_t& without_vip, const Snapshot& tables,
                                   PathState& state) {
  ParseFrame(packet);
  if (!packet.pending()) return;
  if (packet.kind == PacketKind::kPlain) {
    if (!packet.ports_known) return DropWithoutPorts(packet, tables.vips);
    return LookupPlain(packet, without_vip, tables, state);
  }
  LookupOther(packet, tables, state);
  if (!packet.pending()) return;
  FetchFlow(packet, tables, state);
}

}  // namespace

void LookupVip(Burst& burst, const Snapshot& tables, PathState& state) {
  uint32_t without_vip = 0;
  for (Packet& packet : burst) {
    // Twice the same, so that the code of each family has what it parsed in registers.
    if (ParsePlain<IpFamily::kIpv4>(packet)) {
      LookupPlain(packet, without_vip, tables, state);
      continue;
    }
    if (ParsePlain<IpFamily::kIpv6>(packet)) {
      LookupPlain(packet, without_vip, tables, state);
      continue;
    }
    LookupFrame(packet, without_vip, tables, state);
  }
  burst.without_vip = without_vip;
}

}  // namespace guideway
