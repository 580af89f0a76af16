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

// Fetches buckets from memory, each two packets after Ask(): by then its address is long known, so
// that the processor begins to look for its page (in the TLB or the page tables) as soon as it sees
// the instruction, and has found it before the instruction holds up those behind it.
class LateFetch {
 public:
  explicit LateFetch(const void* at_first) : next_(at_first), last_(at_first) {}
  void Ask(const FlowBucket* bucket) {
    PrefetchWrite(next_);
    next_ = last_;
    last_ = bucket;
  }
  void Finish() const {
    PrefetchWrite(next_);
    PrefetchWrite(last_);
  }

 private:
  const void* next_;
  const void* last_;
};

void FindBucket(Packet& packet, const Snapshot& tables, const PathState& state) {
  packet.flow_hash = FlowHash(tables.flow_hash_key, packet.key);
  packet.bucket = state.flows->FirstBucket(packet.flow_hash);
}

// A TCP or UDP packet whose ports are known. True: it has its bucket.
[[gnu::always_inline]] inline bool LookupPlain(Packet& packet, const Snapshot& tables,
                                               PathState& state) {
  const VipCell* cell = tables.vips.Find(packet.key);
  if (cell == nullptr) {
    packet.verdict = Verdict::kToKernel;
    return false;
  }
  SetVip(packet, *cell);
  if (packet.defective) [[unlikely]] {
    packet.Drop(packet.defect);
    return false;
  }
  FindBucket(packet, tables, state);
  if (cell->quic_vip != 0) [[unlikely]]  // without the hint a plain packet takes 3% longer
    RouteByConnectionId(packet, *cell, tables, state);
  return true;
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
[[gnu::noinline]] void LookupFrame(Packet& packet, const Snapshot& tables, PathState& state) {
  ParseFrame(packet);
  if (!packet.pending()) return;
  if (packet.kind == PacketKind::kPlain) {
    if (!packet.ports_known) return DropWithoutPorts(packet, tables.vips);
    if (!LookupPlain(packet, tables, state)) return;
  } else {
    LookupOther(packet, tables, state);
    if (!packet.pending()) return;
    FindBucket(packet, tables, state);
  }
  PrefetchWrite(packet.bucket);
}

// False: not plain, and nothing has been done. A template, so that the code of each family has what
// it parsed in registers.
template <IpFamily kFamily>
[[gnu::always_inline]] inline bool LookupIfPlain(Packet& packet, Burst& burst, LateFetch& fetch,
                                                 const Snapshot& tables, PathState& state) {
  if (!ParsePlain<kFamily>(packet)) return false;
  if (LookupPlain(packet, tables, state)) {
    fetch.Ask(packet.bucket);
  } else {
    burst.without_vip += packet.verdict == Verdict::kToKernel;
  }
  return true;
}

}  // namespace

void LookupVip(Burst& burst, const Snapshot& tables, PathState& state) {
  burst.without_vip = 0;
  LateFetch fetch(&burst);
  for (Packet& packet : burst) {
    if (LookupIfPlain<IpFamily::kIpv4>(packet, burst, fetch, tables, state)) continue;
    if (LookupIfPlain<IpFamily::kIpv6>(packet, burst, fetch, tables, state)) continue;
    LookupFrame(packet, tables, state);
  }
  fetch.Finish();
}

}  // namespace guideway
