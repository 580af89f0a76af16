// HOT PATH: no allocation, lock, log or exception.
//
// Fragments that wait for the first of their datagram. A fragment counts as received when it stops
// waiting - released, or dropped - so that received = forwarded + to kernel + answered + drops
// holds at any moment.
#include "dataplane/worker/worker.h"

namespace guideway {

void Worker::Hold(const Packet& packet, rte_mbuf* mbuf) {
  --state_.counted[Counter::received_packets];
  state_.counted[Counter::received_bytes] -= mbuf->pkt_len;
  --state_.counted[Counter::fragments_received];
  ++state_.counted[Counter::fragments_waited];
  const WaitingFragment pushed_out = fragments_->Wait(
      {.buffer = mbuf, .tag = packet.flow_hash, .since_ms = 0, .receive_port = packet.receive_port},
      state_.now_ms);
  if (pushed_out.buffer != nullptr) DropWaiting(pushed_out, DropReason::fragment_overflow);
}

// The first fragment has been decided about, so the others find its decision.
void Worker::ProcessReleased(const Snapshot& tables) {
  WaitingFragment fragments[kBurstCapacity];
  rte_mbuf* packets[kBurstCapacity];
  while (const uint32_t count = fragments_->TakeReleased(absl::MakeSpan(fragments))) {
    for (uint32_t i = 0; i < count; ++i) packets[i] = static_cast<rte_mbuf*>(fragments[i].buffer);
    Process(packets, count, fragments[0].receive_port, tables);
  }
}

// Frees it and counts what Hold() did not.
void Worker::DropWaiting(const WaitingFragment& fragment, DropReason reason) {
  auto* mbuf = static_cast<rte_mbuf*>(fragment.buffer);
  ++state_.counted[Counter::received_packets];
  state_.counted[Counter::received_bytes] += mbuf->pkt_len;
  ++state_.counted[Counter::fragments_received];
  ++state_.counted[reason];
  traffic_->CountDropWithoutVip(reason);
  rte_pktmbuf_free(mbuf);
}

void Worker::DropExpiredFragments() {
  WaitingFragment fragment = fragments_->TakeExpired(state_.now_ms);
  if (fragment.buffer == nullptr) return;
  state_.counted = CounterValues{};
  for (; fragment.buffer != nullptr; fragment = fragments_->TakeExpired(state_.now_ms)) {
    DropWaiting(fragment, DropReason::fragment_timeout);
  }
  counters_.Add(state_.counted);
}

void Worker::DropAllFragments() {
  state_.counted = CounterValues{};
  for (WaitingFragment fragment = fragments_->TakeAny(); fragment.buffer != nullptr;
       fragment = fragments_->TakeAny()) {
    DropWaiting(fragment, DropReason::fragment_timeout);
  }
  counters_.Add(state_.counted);
}

}  // namespace guideway
