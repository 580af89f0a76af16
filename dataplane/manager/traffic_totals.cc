#include "dataplane/manager/traffic_totals.h"

namespace guideway {
namespace {

channel::TrafficValues Less(channel::TrafficValues sum, const channel::TrafficValues& start) {
  sum.packets -= start.packets;
  sum.bytes -= start.bytes;
  sum.new_flows -= start.new_flows;
  return sum;
}

void Add(const channel::TrafficValues& values, channel::TrafficValues* sum) {
  sum->packets += values.packets;
  sum->bytes += values.bytes;
  sum->new_flows += values.new_flows;
}

void Add(const channel::OtherVerdictValues& values, channel::OtherVerdictValues* sum) {
  sum->to_kernel_packets += values.to_kernel_packets;
  sum->answered_packets += values.answered_packets;
  for (size_t i = 0; i < kDropReasonCount; ++i) sum->drops[i] += values.drops[i];
}

channel::OtherVerdictValues Less(channel::OtherVerdictValues sum,
                                 const channel::OtherVerdictValues& start) {
  sum.to_kernel_packets -= start.to_kernel_packets;
  sum.answered_packets -= start.answered_packets;
  for (size_t i = 0; i < kDropReasonCount; ++i) sum.drops[i] -= start.drops[i];
  return sum;
}

}  // namespace

TrafficTotals::TrafficTotals(const std::vector<std::unique_ptr<Worker>>* workers)
    : workers_(workers),
      vips_(channel::kMaxVips),
      backends_(channel::kMaxBackends),
      other_starts_(channel::kMaxVips),
      backend_flow_starts_(channel::kMaxBackends) {}

channel::TrafficValues TrafficTotals::SumVip(uint32_t index) const {
  channel::TrafficValues sum;
  for (const std::unique_ptr<Worker>& worker : *workers_) {
    worker->traffic().vips[index].AddTo(&sum);
  }
  return sum;
}

channel::TrafficValues TrafficTotals::SumBackend(uint32_t index) const {
  channel::TrafficValues sum;
  for (const std::unique_ptr<Worker>& worker : *workers_) {
    worker->traffic().backends[index].AddTo(&sum);
  }
  return sum;
}

void TrafficTotals::Follow(const TableState& tables) {
  for (uint32_t i = 0; i < tables.vips.size(); ++i) {
    if (!tables.vips[i].exists) continue;
    const channel::VipBody& vip = tables.vips[i].body;
    const VipOwner owner(vip.address, vip.port.host(), vip.protocol);
    if (vips_[i].owner == owner) continue;
    Add(Vip(i), &former_vips_);
    Add(VipOthers(i), &former_others_);
    vips_[i] = {owner, SumVip(i)};
    other_starts_[i] = SumOthers(i);
  }
  for (uint32_t i = 0; i < tables.backends.size(); ++i) {
    if (!tables.backends[i].exists) continue;
    const BackendOwner owner = tables.backends[i].body.incarnation;
    if (backends_[i].owner == owner) continue;
    backends_[i] = {owner, SumBackend(i)};
    backend_flow_starts_[i] = SumBackendFlows(i);
    backend_flow_starts_[i].active_flows = 0;
  }
}

channel::TrafficValues TrafficTotals::Vip(uint32_t index) const {
  return Less(SumVip(index), vips_[index].values);
}

channel::OtherVerdictValues TrafficTotals::SumOthers(uint32_t row) const {
  channel::OtherVerdictValues sum;
  for (const std::unique_ptr<Worker>& worker : *workers_) {
    worker->traffic().others[row].AddTo(&sum);
  }
  return sum;
}

channel::OtherVerdictValues TrafficTotals::VipOthers(uint32_t index) const {
  return Less(SumOthers(index), other_starts_[index]);
}

channel::OtherVerdictValues TrafficTotals::NoVip() const {
  channel::OtherVerdictValues sum = SumOthers(Traffic::kNoVipRow);
  Add(former_others_, &sum);
  return sum;
}

channel::BackendFlowValues TrafficTotals::SumBackendFlows(uint32_t index) const {
  channel::BackendFlowValues sum;
  for (const std::unique_ptr<Worker>& worker : *workers_) {
    sum.active_flows += worker->flows().CountOf(static_cast<uint16_t>(index));
    const BackendCounterCell& cell = worker->traffic().backend_counters[index];
    for (size_t i = 0; i < kBackendCounterCount; ++i) {
      sum.counters[i] += cell.values[i].load(std::memory_order_relaxed);
    }
  }
  return sum;
}

channel::BackendFlowValues TrafficTotals::BackendFlows(uint32_t index) const {
  channel::BackendFlowValues values = SumBackendFlows(index);
  for (size_t i = 0; i < kBackendCounterCount; ++i) {
    values.counters[i] -= backend_flow_starts_[index].counters[i];
  }
  return values;
}

channel::TrafficValues TrafficTotals::Backend(uint32_t index) const {
  return Less(SumBackend(index), backends_[index].values);
}

}  // namespace guideway
