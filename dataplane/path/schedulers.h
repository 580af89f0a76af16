// Schedulers: which backend the new flows of a pool get whose scheduler is not maglev.
//
// maglev-source takes the slot of the client's address instead of the flow's. The others keep
// state, each worker its own, and so only the flow table knows what they decided: they decide about
// packets that start a flow (SYN, UDP), once a flow, and everything else that is not known is left
// to the Maglev table, where every worker and node finds the same. Only owners of slots are chosen,
// with their number of slots as weight.
//   weighted-round-robin         the worker's next turn of the pool's round
//   weighted-least-connections   least (flows + 1) / weight of kMostCompared backends, which begin
//                                at a place by hash; of all in a pool of so many
//   two-choices                  the lesser of two by hash in the same measure
// A flow counts while its entry stands in the worker's flow table (FlowTable::CountOf).
// HOT PATH: no allocation, lock, log, system call or exception. The worker's thread.
#ifndef GUIDEWAY_DATAPLANE_PATH_SCHEDULERS_H_
#define GUIDEWAY_DATAPLANE_PATH_SCHEDULERS_H_

#include "dataplane/path/packet.h"
#include "dataplane/path/state.h"
#include "lib/hash/flow_hash.h"

namespace guideway {

// Bounds what a new flow costs in a large pool.
inline constexpr uint32_t kMostCompared = 128;

// The hash of a client's address cut to the pool's length.
inline uint64_t SourceHash(const FlowHashKey& key, const IpAddress& source, const Pool& pool) {
  return SourceHash(key, source, pool.source_bits_ipv4, pool.source_bits_ipv6);
}

// Another hash of what this one is of.
uint64_t NextHash(uint64_t hash);

// The backend of a packet whose flow LookupFlow did not find, in a pool whose scheduler keeps
// state or limits its backends: that of the flow's entry if there is one (a SYN again, an earlier
// packet of the burst) and the backend still gets such packets, else a new one for a packet that
// starts a flow, else `by_hash`, the owner of the slot. Null: all backends have what they may have,
// and the packet is to be dropped (breaker.h).
const Backend* Schedule(const Packet& packet, const Backend* by_hash, const Snapshot& tables,
                        PathState& state);

// Makes the flow table count its flows, and forget what timed out, a little with every call: once
// over in kSweepSeconds, the first time faster. Adds to state.counted. For the worker, once a
// round.
inline constexpr uint32_t kSweepSeconds = 16;
void SweepFlows(const Snapshot& tables, PathState& state);

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_PATH_SCHEDULERS_H_
