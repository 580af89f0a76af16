// HOT PATH: no allocation, lock, log or exception.
//
// Where packets go once the stages are done with them.
#include <rte_ethdev.h>

#include "dataplane/worker/fragment.h"
#include "dataplane/worker/worker.h"

namespace guideway {
namespace {

// A full transmit queue is tried again this often: the driver frees sent buffers at each try.
constexpr uint32_t kTransmitTries = 4;

}  // namespace

// Packets that nobody takes further, and those that need more than a place in an outbox.
void Worker::DispatchOther(Packet& packet, rte_mbuf* mbuf) {
  switch (packet.verdict) {
    case Verdict::kAnswer:
      SetFrame(mbuf, packet.frame, packet.length_bytes);
      answers_.Add(mbuf);
      return;
    case Verdict::kFragment:
      return SendFragments(packet, mbuf);
    case Verdict::kHold:
      return Hold(packet, mbuf);
    case Verdict::kPending:
    case Verdict::kForward:
    case Verdict::kToKernel:
    case Verdict::kDrop:
      break;
  }
  ++state_.counted[packet.drop_reason];
  drops_.Add(mbuf);
}

void Worker::Dispatch(rte_mbuf** packets, uint32_t receive_port) {
  burst_mbufs_ = packets;
  rte_mbuf** next = packets;
  for (Packet& packet : burst_) {
    rte_mbuf* mbuf = *next++;
    if (packet.verdict == Verdict::kForward) [[likely]] {
      SetFrame(mbuf, packet.frame, packet.length_bytes);
      outboxes_[packet.transmit_port].Add(mbuf);
    } else if (packet.verdict == Verdict::kToKernel) {
      to_kernel_.Add(mbuf);
    } else {
      DispatchOther(packet, mbuf);
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
  CountTraffic();
}

// Last: what a queue did not take is a drop by now. Packets that are not forwarded often come in
// numbers of one kind, and adding to the same counter again and again would wait for the addition
// before.
void Worker::CountTraffic() {
  Traffic& traffic = *traffic_;
  const uint32_t* bytes = received_bytes_;
  std::atomic<uint64_t>* same_counter = nullptr;
  uint64_t same_count = 0;
  for (const Packet& packet : burst_) {
    if (packet.verdict == Verdict::kForward) [[likely]] {
      traffic.CountForwarded(packet, *bytes);
    } else if (packet.verdict != Verdict::kHold) {  // counted when it stops waiting
      std::atomic<uint64_t>& counter = traffic.OtherCounterOf(packet);
      if (&counter != same_counter) {
        if (same_counter != nullptr) TrafficCell::Bump(*same_counter, same_count);
        same_counter = &counter;
        same_count = 0;
      }
      ++same_count;
    }
    ++bytes;
  }
  if (same_counter != nullptr) TrafficCell::Bump(*same_counter, same_count);
}

// For a packet of the burst that its consumer did not take.
void Worker::DropLate(rte_mbuf* mbuf, DropReason reason) {
  drops_.Add(mbuf);
  ++state_.counted[reason];
  for (uint32_t i = 0; i < burst_.count; ++i) {
    if (burst_mbufs_[i] == mbuf) burst_.packets[i].Drop(reason);
  }
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
    DropLate(outbox->packets[i], DropReason::transmit_queue_full);
  }
  outbox->count = 0;
  return result;
}

void Worker::HandToKernel(uint32_t port) {
  if (ports_[port].twin == nullptr) return DropWithoutTwin();
  const uint32_t taken = ports_[port].twin->EnqueueToKernel(to_kernel_.packets, to_kernel_.count);
  for (uint32_t i = taken; i < to_kernel_.count; ++i) {
    DropLate(to_kernel_.packets[i], DropReason::kernel_queue_full);
  }
  state_.counted[Counter::to_kernel_packets] += taken;
  to_kernel_.count = 0;
}

// All at once: a port without a twin has nothing else for the kernel.
void Worker::DropWithoutTwin() {
  for (Packet& packet : burst_) {
    if (packet.verdict == Verdict::kToKernel) packet.Drop(DropReason::no_kernel_twin);
  }
  state_.counted[DropReason::no_kernel_twin] += to_kernel_.count;
  rte_pktmbuf_free_bulk(to_kernel_.packets, to_kernel_.count);
  to_kernel_.count = 0;
}

}  // namespace guideway
