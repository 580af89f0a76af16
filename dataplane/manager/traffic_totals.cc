#include "dataplane/manager/traffic_totals.h"

namespace guideway {
namespace {

channel::TrafficValues Less(channel::TrafficValues sum, const channel::TrafficValues& start) {
  sum.packets -= start.packets;
  sum.bytes -= start.bytes;
  sum.new_flows -= start.new_flows;
  return sum;
}

}  // namespace

TrafficTotals::TrafficTotals(const std::vector<std::unique_ptr<Worker>>* workers)
    : workers_(workers), vips_(channel::kMaxVips), backends_(channel::kMaxBackends) {}

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
    if (vips_[i].owner != owner) vips_[i] = {owner, SumVip(i)};
  }
  for (uint32_t i = 0; i < tables.backends.size(); ++i) {
    if (!tables.backends[i].exists) continue;
    const BackendOwner owner = tables.backends[i].body.incarnation;
    if (backends_[i].owner != owner) backends_[i] = {owner, SumBackend(i)};
  }
}

channel::TrafficValues TrafficTotals::Vip(uint32_t index) const {
  return Less(SumVip(index), vips_[index].values);
}

channel::TrafficValues TrafficTotals::Backend(uint32_t index) const {
  return Less(SumBackend(index), backends_[index].values);
}

}  // namespace guideway
