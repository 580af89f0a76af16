// Runs a worker, or nothing, over made-up packets and takes the time.
#include "perf/micro/lane.h"

#include <glog/logging.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>

namespace guideway {

Lane::Lane(Port* port, uint32_t index)
    : port_(port),
      index_(index),
      callback_(rte_eth_add_rx_callback(port->queue(index).device, port->queue(index).queue,
                                        &Lane::OnReceive, this)) {
  CHECK(callback_ != nullptr) << "DPDK without receive callbacks";
}

Lane::~Lane() {
  const PortQueue queue = port_->queue(index_);
  rte_eth_remove_rx_callback(queue.device, queue.queue,
                             static_cast<const rte_eth_rxtx_callback*>(callback_));
}

uint16_t Lane::OnReceive(uint16_t /*device*/, uint16_t /*queue*/, rte_mbuf* packets[],
                         uint16_t count, uint16_t /*capacity*/, void* self) {
  Lane& lane = *static_cast<Lane*>(self);
  if (lane.warm_up_left_ == 0 && lane.measured_left_ == lane.measured_) {
    lane.began_tsc_ = rte_rdtsc_precise();
  }
  if (lane.measured_left_ == 0) {
    if (!lane.ended_) lane.ended_tsc_ = rte_rdtsc_precise();
    lane.ended_ = true;
    if (lane.worker_ != nullptr) lane.worker_->RequestStop();
    rte_pktmbuf_free_bulk(packets, count);
    return 0;
  }
  uint64_t& left = lane.warm_up_left_ > 0 ? lane.warm_up_left_ : lane.measured_left_;
  left -= std::min<uint64_t>(left, count);
  lane.source_->Fill(packets, count);
  return count;
}

void Lane::Begin(TrafficSource* source, Amount amount) {
  source_ = source;
  warm_up_left_ = amount.warm_up;
  measured_ = measured_left_ = amount.measured / kBurstCapacity * kBurstCapacity;
  ended_ = false;
}

double Lane::NsPerPacket() const {
  return static_cast<double>(ended_tsc_ - began_tsc_) * 1e9 /
         static_cast<double>(rte_get_tsc_hz()) / static_cast<double>(measured_);
}

LaneResult Lane::RunFloor(TrafficSource* source, Amount amount) {
  worker_ = nullptr;
  Begin(source, amount);
  const PortQueue queue = port_->queue(index_);
  rte_mbuf* packets[kBurstCapacity];
  while (!ended_) {
    const uint16_t count = rte_eth_rx_burst(queue.device, queue.queue, packets, kBurstCapacity);
    rte_eth_tx_burst(queue.device, queue.queue, packets, count);
  }
  return {.ns_per_packet = NsPerPacket(), .counted = {}};
}

LaneResult Lane::RunWorker(TrafficSource* source, Amount amount, const Snapshot& tables,
                           FlowTable* flows, Publisher* publisher) {
  const std::atomic<const Snapshot*> published(&tables);
  Worker worker({.index = index_,
                 .idle = IdleMode::kBusy,
                 .published = &published,
                 .quiescence = publisher->quiescence(),
                 .flows = flows,
                 .peers = {},
                 .ports = {port_},
                 .limits = {}});
  worker_ = &worker;
  Begin(source, amount);
  worker.Run();
  worker_ = nullptr;
  return {.ns_per_packet = NsPerPacket(), .counted = worker.counters().ReadConsistent()};
}

}  // namespace guideway
