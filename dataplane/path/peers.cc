// HOT PATH: no allocation, lock, log, system call or exception.
#include "dataplane/path/peers.h"

#include "dataplane/path/backend_of.h"
#include "dataplane/path/flow_counting.h"
#include "dataplane/path/flow_event.h"

namespace guideway {
namespace {

// The lower, the later the flow's last packet: seconds of silence, as far as these can be told
// from when the entry times out. Entries that were given up come after all others.
int32_t AgeOf(const FlowView& view, const FlowTimeouts& timeouts) {
  constexpr int32_t kGivenUp = 1 << 29;
  static_assert(kFlowHorizonSeconds < kGivenUp);
  const auto left = static_cast<int32_t>(view.times_out_in_s);
  if (view.state == FlowState::kTakenOver) return kGivenUp - left;
  return static_cast<int32_t>(timeouts.Of(view.state)) - left;
}

// Whether this worker's own table knows the flow: from an earlier packet of the burst, or with a
// backend that keeps it no longer. What was given up is not its own.
bool Knows(const FlowEntry* own) { return own != nullptr && IsOwn(ExpiryOf(*own)); }

KnownFlow OwnFlow(const FlowEntry& entry, const Snapshot& tables, const PathState& state) {
  const uint32_t expiry = ExpiryOf(entry);
  const BackendId id = entry.backend.load(std::memory_order_relaxed);
  return {.backend = KnownBackend(tables, id),
          .view = {id, StateOf(expiry), SecondsLeft(expiry, state.now_s)}};
}

// The packet goes to the flow's backend, and the flow to this worker.
void Follow(Packet& packet, const KnownFlow& known, const Snapshot& tables, PathState& state) {
  packet.backend = known.backend;
  --state.counted[Counter::flow_misses];
  ++state.counted[Counter::flow_hits];
  const FlowTimeouts& timeouts = tables.TimeoutsOf(packet.vip);
  const bool given_up = known.view.state == FlowState::kTakenOver;
  if (packet.kind == PacketKind::kFragment && !given_up &&
      known.view.times_out_in_s > timeouts.Of(known.view.state) / 2) {
    return;
  }
  const FlowEvent event = EventOf(packet);
  const FlowState next = NextFlowState(known.view.state, event);
  if (next == FlowState::kFree) return;  // a RST, of which nobody knows what it is about
  if (CountsAsReset(known.view.state, event))
    CountFor(packet.backend->id, BackendCounter::client_resets, tables, state);
  const FlowInsert result =
      state.flows->TakeOver(packet.flow_hash, packet.backend->id, next, state.now_s, timeouts);
  if (result == FlowInsert::kInserted || result == FlowInsert::kEvicted)
    ++state.counted[Counter::flow_takeovers];
  CountEntered(result, tables, state);
}

}  // namespace

KnownFlow KnownToPeers(const Packet& packet, const Snapshot& tables, const PathState& state) {
  const FlowTimeouts& timeouts = tables.TimeoutsOf(packet.vip);
  KnownFlow best;
  const auto consider = [&](const KnownFlow& known) {
    if (known.backend == nullptr) return;
    if (best.backend == nullptr || AgeOf(known.view, timeouts) < AgeOf(best.view, timeouts))
      best = known;
  };
  for (const FlowTable* peer : state.peers) {
    const auto view = peer->Inspect(packet.flow_hash, state.now_s);
    if (view.has_value()) consider({KnownBackend(tables, view->backend), *view});
  }
  const FlowEntry* own = state.flows->Find(packet.flow_hash, state.now_s);
  if (own != nullptr && !Knows(own)) consider(OwnFlow(*own, tables, state));
  return best;
}

void AskPeers(Burst& burst, const Snapshot& tables, PathState& state) {
  const auto peers = static_cast<uint32_t>(state.peers.size());
  BurstPlaces asked;
  state.asks.Follow(state.now_ms);
  for (const uint8_t place : burst.unknown) {
    const Packet& packet = burst.packets[place];
    if (IsSynWithoutAck(packet.tcp_flags)) continue;
    // What the own table has given up is not asked for in vain.
    if (!state.asks.Take(packet.key.protocol, peers) &&
        state.flows->Find(packet.flow_hash, state.now_s) == nullptr) {
      ++state.counted[Counter::flow_asks_skipped];
      continue;
    }
    for (const FlowTable* peer : state.peers) PrefetchRead(peer->FirstBucket(packet.flow_hash));
    asked.Add(place);
  }
  for (const uint8_t place : asked) {
    Packet& packet = burst.packets[place];
    const FlowEntry* own = state.flows->Find(packet.flow_hash, state.now_s);
    const KnownFlow known =
        Knows(own) ? OwnFlow(*own, tables, state) : KnownToPeers(packet, tables, state);
    if (Knows(own) || known.backend != nullptr) state.asks.GiveBack(packet.key.protocol, peers);
    if (known.backend != nullptr) Follow(packet, known, tables, state);
  }
}

}  // namespace guideway
