// IPv4 packets that are longer than the next hop's MTU and may be fragmented.
//
// The packet itself is cut, and each fragment gets an outer header of its own, so that backends
// reassemble what they would without a tunnel (docs/decisions/0009-mtu.md). Rare; on the worker's
// thread. Takes buffers from the packet's own mempool.
#ifndef GUIDEWAY_DATAPLANE_WORKER_FRAGMENT_H_
#define GUIDEWAY_DATAPLANE_WORKER_FRAGMENT_H_

#include <rte_mbuf.h>

#include <cstdint>

#include "dataplane/path/packet.h"
#include "dataplane/path/state.h"
#include "dataplane/path/too_big.h"

namespace guideway {

// The buffer's contents are this frame, which is inside of it.
inline void SetFrame(rte_mbuf* mbuf, const uint8_t* frame, uint32_t length_bytes) {
  mbuf->data_off = static_cast<uint16_t>(frame - static_cast<const uint8_t*>(mbuf->buf_addr));
  mbuf->data_len = static_cast<uint16_t>(length_bytes);
  mbuf->pkt_len = length_bytes;
}

// Cuts the packet in `mbuf`, whose verdict is kFragment, into frames that are ready to leave
// through packet.transmit_port. Returns how many there are in `fragments`, which the caller owns:
// none if there were not enough buffers. The caller keeps `mbuf`, whose contents are undefined
// then.
uint32_t MakeFragments(const Packet& packet, rte_mbuf* mbuf, PathState& state,
                       rte_mbuf* (&fragments)[kMaxFragments]);

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_WORKER_FRAGMENT_H_
