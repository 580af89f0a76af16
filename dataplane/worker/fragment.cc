// SLOW PATH, but on the worker's thread: no allocation outside of mempools, lock, log or exception.
#include "dataplane/worker/fragment.h"

#include <rte_ethdev.h>
#include <rte_ip_frag.h>

#include "dataplane/path/path.h"
#include "dataplane/worker/worker.h"
#include "lib/net/checksum.h"
#include "lib/net/headers.h"

namespace guideway {
namespace {

constexpr uint32_t kTransmitTries = 4;  // as for other packets

// One fragment on its way through the last stage, like a packet that came as it.
Packet PartOf(const Packet& packet, rte_mbuf* fragment, bool first) {
  uint8_t* ip_header = rte_pktmbuf_mtod(fragment, uint8_t*);
  auto* ip = reinterpret_cast<Ipv4Header*>(ip_header);
  ip->checksum = Be16(0);
  ip->checksum = InternetChecksum(ip_header, ip->header_bytes());
  Packet part = packet;
  part.short_cut = ShortCut::kNone;  // whose headroom nobody has looked at
  part.verdict = Verdict::kPending;
  part.l3_offset = sizeof(EthernetHeader);  // which Encapsulate writes
  part.frame = ip_header - part.l3_offset;
  part.headroom_bytes = static_cast<uint16_t>(rte_pktmbuf_headroom(fragment) - part.l3_offset);
  part.ip_length_bytes = static_cast<uint16_t>(rte_pktmbuf_pkt_len(fragment));
  part.length_bytes = part.l3_offset + uint32_t{part.ip_length_bytes};
  if (!first) part.tcp_flags = 0;  // there is no TCP header
  return part;
}

}  // namespace

uint32_t MakeFragments(const Packet& packet, rte_mbuf* mbuf, PathState& state,
                       rte_mbuf* (&fragments)[kMaxFragments]) {
  SetFrame(mbuf, packet.frame + packet.l3_offset, packet.ip_length_bytes);
  const int32_t made = rte_ipv4_fragment_copy_nonseg_packet(mbuf, fragments, kMaxFragments,
                                                            packet.fragment_mtu_bytes, mbuf->pool);
  if (made <= 0) return 0;
  const auto count = static_cast<uint32_t>(made);
  for (uint32_t i = 0; i < count; ++i) {
    Packet part = PartOf(packet, fragments[i], i == 0);
    Encapsulate(part, state);
    if (part.verdict != Verdict::kForward) {
      // A fragment fits, and its buffer has room: only if buffers are made without headroom.
      rte_pktmbuf_free_bulk(fragments, count);
      return 0;
    }
    SetFrame(fragments[i], part.frame, part.length_bytes);
  }
  return count;
}

// The packet has been forwarded if all of its fragments have: a datagram without one is lost.
void Worker::SendFragments(Packet& packet, rte_mbuf* mbuf) {
  rte_mbuf* fragments[kMaxFragments];
  const uint32_t count = MakeFragments(packet, mbuf, state_, fragments);
  drops_.Add(mbuf);
  if (count == 0) {
    packet.Drop(DropReason::fragment_no_buffer);
    ++state_.counted[packet.drop_reason];
    return;
  }
  // What came before it leaves before it.
  if (outboxes_[packet.transmit_port].count > 0) Forward(packet.transmit_port);
  const PortQueue queue = ports_[packet.transmit_port].queue;
  uint32_t lengths[kMaxFragments];
  for (uint32_t i = 0; i < count; ++i) lengths[i] = rte_pktmbuf_pkt_len(fragments[i]);
  uint32_t sent = 0;
  for (uint32_t tries = 0; tries < kTransmitTries && sent < count; ++tries) {
    sent += rte_eth_tx_burst(queue.device, queue.queue, fragments + sent,
                             static_cast<uint16_t>(count - sent));
  }
  if (sent < count) rte_pktmbuf_free_bulk(fragments + sent, count - sent);
  for (uint32_t i = 0; i < sent; ++i) state_.counted[Counter::forwarded_bytes] += lengths[i];
  state_.counted[Counter::fragments_sent] += sent;
  if (sent == count) {
    packet.verdict = Verdict::kForward;
    ++state_.counted[Counter::forwarded_packets];
  } else {
    packet.Drop(DropReason::transmit_queue_full);
    ++state_.counted[packet.drop_reason];
  }
}

}  // namespace guideway
