// HOT PATH: no allocation, lock, log, system call or exception.
//
// Third stage: the backend of flows that are known. In two rounds: nearly all are in their first
// bucket, which is here already; the others' second one is waited for together.
#include "dataplane/path/backend_of.h"
#include "dataplane/path/flow_counting.h"
#include "dataplane/path/flow_event.h"
#include "dataplane/path/forward_plain.h"
#include "dataplane/path/path.h"
#include "dataplane/path/quic.h"

namespace guideway {
namespace {

// The entry's new time and state; 0: the flow was given up, and whoever has it now is to be asked,
// or it is another protocol's.
// Apart, so that the plain path stays as short as it is.
[[gnu::noinline]] uint32_t ExpiryAfter(const Packet& packet, uint32_t expiry,
                                       const Snapshot& tables, PathState& state) {
  const FlowState before = StateOf(expiry);
  const FlowTimeouts& timeouts = tables.TimeoutsOf(packet.vip);
  const FlowEvent event = EventOf(packet);
  const FlowState next = NextFlowState(before, event);
  if (before == FlowState::kTakenOver || next == FlowState::kFree) return 0;
  if (before == FlowState::kHalfOpen && next != before && !state.peers.empty())
    state.flows->Announce(packet.flow_hash);
  const uint32_t after = PackExpiry(next, state.now_s, timeouts);
  if (event != FlowEvent::kRst) return after;
  if (CountsAsReset(before, event))
    CountFor(packet.backend->id, BackendCounter::client_resets, tables, state);
  // No flood of RSTs keeps an entry alive.
  const bool longer = SecondsLeft(after, state.now_s) > SecondsLeft(expiry, state.now_s);
  return longer ? (after & ~kFlowTimeMask) | (expiry & kFlowTimeMask) : after;
}

// The packet goes where its flow's entry says, if that is live and its backend keeps it. What is
// read of the entry is read once.
[[gnu::always_inline]] inline bool FollowEntry(Packet& packet, FlowEntry& entry,
                                               const Snapshot& tables, PathState& state) {
  const uint32_t expiry = ExpiryOf(entry);
  if (!IsLive(expiry, state.now_s)) return false;
  packet.backend = KnownBackend(tables, entry.backend.load(std::memory_order_relaxed));
  if (packet.backend == nullptr) return false;
  const bool ends = (packet.tcp_flags & (kTcpFin | kTcpRst)) != 0;
  if (StateOf(expiry) == FlowState::kEstablished && !ends) [[likely]] {  // TCP
    RefreshEntry(entry, expiry, FlowState::kEstablished, state.now_s,
                 tables.TimeoutsOf(packet.vip));
    return true;
  }
  const uint32_t after = ExpiryAfter(packet, expiry, tables, state);
  if (after == 0) {
    packet.backend = nullptr;
    return false;
  }
  if (after != expiry) entry.expiry.store(after, std::memory_order_relaxed);
  return true;
}

// Second round: those that are not in their first bucket. Apart, so that the first stays short.
[[gnu::noinline]] uint32_t LookupSecond(const BurstPlaces& undecided, Burst& burst,
                                        const Snapshot& tables, PathState& state) {
  uint32_t known = 0;
  for (const uint8_t place : undecided) {
    Packet& packet = burst.packets[place];
    // In both buckets: what KeepQuicFlow entered meanwhile may have moved it to the first.
    FlowEntry* entry = state.flows->Find(packet.flow_hash, state.now_s);
    if (entry != nullptr && FollowEntry(packet, *entry, tables, state)) {
      ++known;
      burst.left.Add(place);
    } else {
      burst.unknown.Add(place);
      ++burst.not_found;
    }
  }
  return known;
}

}  // namespace

void LookupFlow(Burst& burst, const Snapshot& tables, PathState& state) {
  const FlowTable& flows = *state.flows;
  uint32_t others = 0;  // than those whose flow is known from its first bucket
  burst.unknown.clear();
  burst.not_found = 0;
  burst.left.clear();
  BurstPlaces undecided;  // whose second bucket is on its way from memory
  for (Packet& packet : burst) {
    if (!packet.pending()) {
      ++others;
      if (packet.kind == PacketKind::kFragment) burst.left.Add(burst.PlaceOf(packet));
      continue;
    }
    if (packet.backend != nullptr) [[unlikely]] {
      ++others;
      burst.left.Add(burst.PlaceOf(packet));
      KeepQuicFlow(packet, tables, state);
      continue;
    }
    if (IsSynWithoutAck(packet.tcp_flags)) {
      flows.PrefetchSecond(packet.flow_hash);  // it may be entered there
      burst.unknown.Add(burst.PlaceOf(packet));
      continue;
    }
    FlowEntry& entry = LikeliestEntry(*packet.bucket, packet.flow_hash);
    if (TagOf(entry) != packet.flow_hash) [[unlikely]] {
      const bool look_further = FlowTable::MayBeInSecond(*packet.bucket);
      if (look_further) flows.PrefetchSecond(packet.flow_hash);
      burst.not_found += !look_further;
      (look_further ? undecided : burst.unknown).Add(burst.PlaceOf(packet));
    } else if (!FollowEntry(packet, entry, tables, state)) {
      burst.unknown.Add(burst.PlaceOf(packet));
      ++burst.not_found;
    } else if (!ForwardPlainToOne(packet, state)) {
      burst.left.Add(burst.PlaceOf(packet));
    }
  }
  uint32_t known = burst.count - others - burst.unknown.size() - undecided.size();
  if (undecided.size() > 0) known += LookupSecond(undecided, burst, tables, state);
  state.counted[Counter::flow_hits] += known;
  state.counted[Counter::flow_misses] += burst.unknown.size();
}

}  // namespace guideway
