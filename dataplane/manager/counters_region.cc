#include "dataplane/manager/counters_region.h"

namespace guideway {

void FillCountersRegion(const Dataplane& dataplane, const TrafficTotals& traffic,
                        uint64_t generation, channel::CountersRegion* region) {
  region->generation = generation;
  CounterValues total;
  for (size_t i = 0; i < dataplane.workers().size(); ++i) {
    const CounterValues values = dataplane.workers()[i]->counters().ReadConsistent();
    region->workers[i] = values;
    region->worker_busy_ns[i] = dataplane.workers()[i]->busy_ns();
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
    if (port.twin() == nullptr) continue;
    into.from_kernel_packets = port.twin()->from_kernel_packets();
    // Worker 0 sends what the kernel hands over.
    into.kernel_twin_lost_packets =
        port.twin()->lost_packets() +
        dataplane.workers()[0]->from_kernel_lost(static_cast<uint32_t>(i));
  }
  region->flow_capacity = dataplane.flow_capacity();
  for (uint32_t i = 0; i < channel::kMaxVips; ++i) {
    region->vips[i] = traffic.Vip(i);
    region->vip_others[i] = traffic.VipOthers(i);
  }
  region->former_vips = traffic.FormerVips();
  region->no_vip = traffic.NoVip();
  for (uint32_t i = 0; i < channel::kMaxBackends; ++i) {
    region->backends[i] = traffic.Backend(i);
    region->backend_flows[i] = traffic.BackendFlows(i);
  }
}

}  // namespace guideway
