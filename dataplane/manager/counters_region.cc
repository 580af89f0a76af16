#include "dataplane/manager/counters_region.h"

namespace guideway {
namespace {

// Sums one kind of cell (VIPs or backends) over the workers.
template <size_t kCount>
void SumTraffic(const Dataplane& dataplane, const TrafficCell (Traffic::*cells)[kCount],
                channel::TrafficValues (&sums)[kCount]) {
  for (size_t i = 0; i < kCount; ++i) {
    channel::TrafficValues sum;
    for (const std::unique_ptr<Worker>& worker : dataplane.workers()) {
      (worker->traffic().*cells)[i].AddTo(&sum);
    }
    sums[i] = sum;
  }
}

}  // namespace

void FillCountersRegion(const Dataplane& dataplane, uint64_t generation,
                        channel::CountersRegion* region) {
  region->generation = generation;
  CounterValues total;
  for (size_t i = 0; i < dataplane.workers().size(); ++i) {
    const CounterValues values = dataplane.workers()[i]->counters().ReadConsistent();
    region->workers[i] = values;
    total += values;
  }
  region->total = total;
  for (size_t i = 0; i < dataplane.ports().size(); ++i) {
    const Port& port = *dataplane.ports()[i];
    const PortStatistics statistics = port.ReadStatistics();
    channel::CountersRegion::Port& into = region->ports[i];
    into.received_packets = statistics.received_packets;
    into.sent_packets = statistics.sent_packets;
    into.receive_missed = statistics.receive_missed;
    into.receive_errors = statistics.receive_errors;
    into.from_kernel_packets = port.twin() == nullptr ? 0 : port.twin()->from_kernel_packets();
  }
  region->flow_capacity = dataplane.flow_capacity();
  SumTraffic(dataplane, &Traffic::vips, region->vips);
  SumTraffic(dataplane, &Traffic::backends, region->backends);
}

}  // namespace guideway
