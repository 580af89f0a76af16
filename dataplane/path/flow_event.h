// What a packet is to its flow's state.
//
// HOT PATH: no allocation, lock, log, system call or exception. Pure functions; for packets that
// are not of established flows, or end these.
#ifndef GUIDEWAY_DATAPLANE_PATH_FLOW_EVENT_H_
#define GUIDEWAY_DATAPLANE_PATH_FLOW_EVENT_H_

#include "dataplane/path/packet.h"
#include "lib/flow/flow_state.h"
#include "lib/net/headers.h"

namespace guideway {

// `packet` is parsed, without a defect, and not encapsulated yet.
inline FlowEvent EventOf(const Packet& packet) {
  if (packet.key.protocol == IpProtocol::kUdp) return FlowEvent::kUdp;
  if ((packet.tcp_flags & kTcpRst) != 0) return FlowEvent::kRst;
  if (IsSynWithoutAck(packet.tcp_flags)) return FlowEvent::kSyn;
  if ((packet.tcp_flags & kTcpFin) != 0) return FlowEvent::kFin;
  const uint8_t* transport = packet.frame + packet.l3_offset + packet.transport_offset;
  const uint32_t header_bytes = reinterpret_cast<const TcpHeader*>(transport)->header_bytes();
  const bool data = packet.ip_length_bytes > packet.transport_offset + header_bytes;
  return data ? FlowEvent::kData : FlowEvent::kAck;
}

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_PATH_FLOW_EVENT_H_
