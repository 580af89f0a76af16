// HOT PATH: no allocation, lock, log or exception.
//
// Where packets go once the stages are done with them.
#include <rte_ethdev.h>

#include "dataplane/worker/worker.h"

namespace guideway {
namespace {

// A full transmit queue is tried again this often: the driver frees sent buffers at each try.
constexpr uint32_t kTransmitTries = 4;

}  // namespace

void Worker::Dispatch(rte_mbuf** packets, uint32_t receive_port) {
  for (uint32_t i = 0; i < burst_.count; ++i) {
    Packet& packet = burst_.packets[i];
    rte_mbuf* mbuf = packets[i];
    if (packet.verdict == Verdict::kForward) {
      traffic_->vips[packet.vip].Add(mbuf->pkt_len, packet.new_flow);
      traffic_->backends[BackendIndex(packet.backend->id)].Add(mbuf->pkt_len, packet.new_flow);
      mbuf->data_off = static_cast<uint16_t>(packet.frame - static_cast<uint8_t*>(mbuf->buf_addr));
      mbuf->data_len = static_cast<uint16_t>(packet.length_bytes);
      mbuf->pkt_len = packet.length_bytes;
      Outbox& outbox = outboxes_[packet.transmit_port];
      outbox.packets[outbox.count++] = mbuf;
    } else if (packet.verdict == Verdict::kToKernel && ports_[receive_port].twin != nullptr) {
      to_kernel_.packets[to_kernel_.count++] = mbuf;
    } else if (packet.verdict == Verdict::kAnswer) {
      answers_.packets[answers_.count++] = mbuf;  // as long as the frame that came
    } else if (packet.verdict == Verdict::kHold) {
      Hold(packet, mbuf);
    } else {
      const bool wanted_kernel = packet.verdict == Verdict::kToKernel;
      ++state_.counted[wanted_kernel ? DropReason::no_kernel_twin : packet.drop_reason];
      drops_.packets[drops_.count++] = mbuf;
    }
  }
  for (uint32_t port = 0; port < ports_.size(); ++port) {
    if (outboxes_[port].count > 0) Forward(port);
  }
  if (answers_.count > 0) {
    state_.counted[Counter::answered_packets] += Transmit(receive_port, &answers_).packets;
  }
  if (to_kernel_.count > 0) HandToKernel(receive_port);
  if (drops_.count > 0) rte_pktmbuf_free_bulk(drops_.packets, drops_.count);
  drops_.count = 0;
}

void Worker::Forward(uint32_t port) {
  const Sent sent = Transmit(port, &outboxes_[port]);
  state_.counted[Counter::forwarded_packets] += sent.packets;
  state_.counted[Counter::forwarded_bytes] += sent.bytes;
}

// Empties the outbox; what the queue does not take is dropped.
Worker::Sent Worker::Transmit(uint32_t port, Outbox* outbox) {
  const PortQueue queue = ports_[port].queue;
  Sent result;
  for (uint32_t i = 0; i < outbox->count; ++i) result.bytes += outbox->packets[i]->pkt_len;
  for (uint32_t tries = 0; tries < kTransmitTries && result.packets < outbox->count; ++tries) {
    result.packets += rte_eth_tx_burst(queue.device, queue.queue, outbox->packets + result.packets,
                                       static_cast<uint16_t>(outbox->count - result.packets));
  }
  for (uint32_t i = result.packets; i < outbox->count; ++i) {
    result.bytes -= outbox->packets[i]->pkt_len;
    drops_.packets[drops_.count++] = outbox->packets[i];
  }
  state_.counted[DropReason::transmit_queue_full] += outbox->count - result.packets;
  outbox->count = 0;
  return result;
}

void Worker::HandToKernel(uint32_t port) {
  const uint32_t taken = ports_[port].twin->EnqueueToKernel(to_kernel_.packets, to_kernel_.count);
  for (uint32_t i = taken; i < to_kernel_.count; ++i) {
    drops_.packets[drops_.count++] = to_kernel_.packets[i];
  }
  state_.counted[Counter::to_kernel_packets] += taken;
  state_.counted[DropReason::kernel_queue_full] += to_kernel_.count - taken;
  to_kernel_.count = 0;
}

}  // namespace guideway
