// QUIC to VIPs with QUIC-LB (draft-ietf-quic-load-balancers-21): the connection ID says whose a
// packet is, so that a client keeps its backend when its address or port changes.
//
// HOT PATH: no allocation, lock, log, system call or exception; but only VIPs with quic_lb get
// here.
#ifndef GUIDEWAY_DATAPLANE_PATH_QUIC_H_
#define GUIDEWAY_DATAPLANE_PATH_QUIC_H_

#include "dataplane/path/packet.h"
#include "dataplane/path/state.h"

namespace guideway {

// A packet without defect to the UDP VIP `cell`, which has quic_lb. If it has a short header and
// its connection ID names a backend that is there and keeps its flows - a draining one does -,
// packet.backend is that one afterwards. All else stays for flow table and Maglev table: long
// headers, whose connection ID may be the client's choice, and what decodes to no server. Counts
// which it was.
void RouteByConnectionId(Packet& packet, const VipCell& cell, const Snapshot& tables,
                         PathState& state);

// Such a packet, its flow hash known: enters its flow where it is unknown, and refreshes it where
// it has the same backend. ICMP errors about it and packets that say less - long headers,
// connection IDs of a configuration that is gone - find the backend by the flow. Where the flow has
// another backend, the flow stays: several connections may share addresses and ports.
void KeepQuicFlow(Packet& packet, const Snapshot& tables, PathState& state);

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_PATH_QUIC_H_
