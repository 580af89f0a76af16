// What the other workers' flow tables know: a flow's packets may come to another worker than
// before, because the queues or what spreads packets over them have changed, or the data plane was
// restarted with another number of workers.
//
// HOT PATH: no allocation, lock, log, system call or exception. The worker's thread.
#ifndef GUIDEWAY_DATAPLANE_PATH_PEERS_H_
#define GUIDEWAY_DATAPLANE_PATH_PEERS_H_

#include "dataplane/path/packet.h"
#include "dataplane/path/state.h"

namespace guideway {

struct KnownFlow {
  const Backend* backend = nullptr;  // null: nobody knows the flow, or none whose backend keeps it
  FlowView view;
};

// What the other workers know of packet.flow_hash. If several do, most likely because its packets
// went from one to the next: who had the last one. What tables have given up, this worker's own
// included, is used if there is nothing else.
KnownFlow KnownToPeers(const Packet& packet, const Snapshot& tables, const PathState& state);

// For burst.unknown: gives packets their backend whose flow another worker knows, and takes the
// flow over. Not for SYNs, which start flows anew, nor for flows that this worker knows though
// their backend keeps them no longer. A first fragment leaves the flow where its whole packets are,
// unless these have not come for half of its timeout.
//
// A flood of packets of unknown flows cannot make every one of them read all tables: of those that
// nobody knows only so many are asked for in each millisecond (AskBudget).
void AskPeers(Burst& burst, const Snapshot& tables, PathState& state);

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_PATH_PEERS_H_
