// Per-VIP and per-backend totals over all workers, from the time an index was given to its owner.
//
// Workers count by index and never reset. When an index gets another owner, what was counted for
// the former one is remembered here and taken off. Manager thread only.
#ifndef GUIDEWAY_DATAPLANE_MANAGER_TRAFFIC_TOTALS_H_
#define GUIDEWAY_DATAPLANE_MANAGER_TRAFFIC_TOTALS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <tuple>
#include <vector>

#include "dataplane/tables/table_state.h"
#include "dataplane/worker/worker.h"
#include "lib/channel/layout.h"

namespace guideway {

class TrafficTotals {
 public:
  // `workers` is borrowed.
  explicit TrafficTotals(const std::vector<std::unique_ptr<Worker>>* workers);

  // Call it before tables come into force: an index whose owner differs from the one it had last
  // starts from zero.
  void Follow(const TableState& tables);

  // Indices below channel::kMaxVips, channel::kMaxBackends.
  channel::TrafficValues Vip(uint32_t index) const;
  channel::TrafficValues Backend(uint32_t index) const;
  channel::BackendFlowValues BackendFlows(uint32_t index) const;
  channel::OtherVerdictValues VipOthers(uint32_t index) const;
  // What is no VIP's of now: counted for none, or for former owners of indices.
  channel::TrafficValues FormerVips() const { return former_vips_; }
  channel::OtherVerdictValues NoVip() const;

 private:
  using VipOwner = std::tuple<IpAddress, uint16_t, uint8_t>;  // address, port, protocol
  using BackendOwner = uint16_t;                              // incarnation
  template <typename Owner>
  struct Start {
    std::optional<Owner> owner;
    channel::TrafficValues values;  // what the index had counted when its owner got it
  };
  channel::TrafficValues SumVip(uint32_t index) const;
  channel::OtherVerdictValues SumOthers(uint32_t row) const;
  channel::TrafficValues SumBackend(uint32_t index) const;
  channel::BackendFlowValues SumBackendFlows(uint32_t index) const;

  const std::vector<std::unique_ptr<Worker>>* const workers_;
  std::vector<Start<VipOwner>> vips_;                      // by VIP index
  std::vector<Start<BackendOwner>> backends_;              // by backend index
  std::vector<channel::OtherVerdictValues> other_starts_;  // as Start::values, by VIP index
  // The same by backend index; active flows are no sum, and stay 0 here.
  std::vector<channel::BackendFlowValues> backend_flow_starts_;
  channel::TrafficValues former_vips_;  // the sum of all starts
  channel::OtherVerdictValues former_others_;
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_MANAGER_TRAFFIC_TOTALS_H_
