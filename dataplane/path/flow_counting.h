// What a worker counts of a backend's flows besides its traffic: signs that it does not answer.
//
// HOT PATH: no allocation, lock, log, system call or exception. The worker's thread. All of it is
// about the first packets of flows and their ends; a packet of an established flow comes by none.
#ifndef GUIDEWAY_DATAPLANE_PATH_FLOW_COUNTING_H_
#define GUIDEWAY_DATAPLANE_PATH_FLOW_COUNTING_H_

#include "dataplane/path/packet.h"
#include "dataplane/path/state.h"

namespace guideway {

// In total and for the backend that has this id. An id of a former backend counts for nobody, so
// that the sums over the backends are the totals.
[[gnu::noinline, gnu::cold]] inline void CountFor(BackendId id, BackendCounter what,
                                                  const Snapshot& tables, PathState& state) {
  const uint16_t index = BackendIndex(id);
  if (index >= tables.backends.size() || !tables.backends[index].exists ||
      tables.backends[index].id != id) {
    return;
  }
  ++state.counted[CounterOf(what)];
  if (state.backend_counters != nullptr) state.backend_counters[index].Add(what);
}

// Counts what became of a flow that was to be entered, and of one that was in its place.
inline void CountEntered(FlowInsert result, const Snapshot& tables, PathState& state) {
  if (result == FlowInsert::kEvicted) ++state.counted[Counter::flow_evictions];
  if (result == FlowInsert::kFull) ++state.counted[Counter::flow_insert_failures];
  const BackendId unanswered = state.flows->unanswered();
  if (unanswered != kNoBackendId) [[unlikely]]
    CountFor(unanswered, BackendCounter::unanswered_flows, tables, state);
}

// Enters the flow of a packet that has its backend into the flow table, and counts what came of it.
inline FlowInsert EnterFlow(Packet& packet, FlowState first, const Snapshot& tables,
                            PathState& state) {
  const FlowInsert result = state.flows->Insert(packet.flow_hash, packet.backend->id, first,
                                                state.now_s, tables.TimeoutsOf(packet.vip));
  switch (result) {
    case FlowInsert::kEvicted:
    case FlowInsert::kInserted:
      ++state.counted[Counter::flow_inserts];
      packet.new_flow = true;
      break;
    case FlowInsert::kSynAgain:
      CountFor(packet.backend->id, BackendCounter::syn_retransmissions, tables, state);
      break;
    case FlowInsert::kFull:
    case FlowInsert::kKnown:  // started anew, or an earlier packet of this burst
      break;
  }
  CountEntered(result, tables, state);
  return result;
}

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_PATH_FLOW_COUNTING_H_
