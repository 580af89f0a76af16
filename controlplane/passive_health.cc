// See passive_health.h.
#include "controlplane/passive_health.h"

#include <algorithm>
#include <set>

#include "glog/logging.h"
#include "lib/config/meant.h"
#include "lib/config/schema.h"

namespace guideway {
namespace {

// After its timeout, so long until the data plane counts a flow as unanswered.
constexpr absl::Duration kSweepTime = absl::Seconds(16);

absl::Duration LongestHalfOpen(const v1::Pool& pool, const v1::Config& config) {
  absl::Duration longest = FromProto(config.flow_timeouts().half_open());
  for (const v1::Vip& vip : config.vips()) {
    if (vip.pool() != pool.name()) continue;
    longest = std::max(longest, FromProto(vip.flow_timeouts().half_open()));
  }
  return longest;
}

FlowSigns SignsOf(const channel::CountersRegion& counters, uint16_t index) {
  const auto of = [&](BackendCounter counter) {
    return counters.backend_flows[index].counters[static_cast<size_t>(counter)];
  };
  return {.new_flows = counters.backends[index].new_flows,
          .syn_retransmissions = of(BackendCounter::syn_retransmissions),
          .unanswered_flows = of(BackendCounter::unanswered_flows),
          .client_resets = of(BackendCounter::client_resets)};
}

std::vector<OutlierDetector::Member> MembersOf(const v1::Pool& pool,
                                               const PassiveHealth::Input& input) {
  std::vector<OutlierDetector::Member> members;
  for (const v1::Backend& backend : pool.backends()) {
    if (!IsMeantToTakeFlows(backend)) continue;
    const std::string key = BackendKey(pool.name(), backend.name(), backend.address());
    const auto found = input.compiled.backends.find(key);
    if (found == input.compiled.backends.end()) continue;
    const HealthState health = input.health(key);
    members.push_back({.key = key,
                       .unhealthy = health == HealthState::kUnhealthy ||
                                    health == HealthState::kUnknown || found->second.unreachable,
                       .total = SignsOf(input.counters, found->second.index)});
  }
  return members;
}

bool Log(const std::vector<OutlierDetector::Change>& changes) {
  for (const OutlierDetector::Change& change : changes) {
    LOG(WARNING) << "backend " << change.key << " " << change.text;
  }
  return !changes.empty();
}

}  // namespace

OutlierSettings OutlierSettingsOf(const v1::Pool& pool, const v1::Config& config) {
  const v1::OutlierDetection& detection = pool.outlier_detection();
  OutlierSettings settings;
  settings.window = FromProto(detection.window());
  settings.min_new_flows = detection.min_new_flows();
  settings.max_syn_retransmissions_percent = detection.max_syn_retransmissions_percent();
  settings.max_unanswered_percent = detection.max_unanswered_percent();
  settings.max_client_resets_percent = detection.max_client_resets_percent();
  settings.base_ejection_time = FromProto(detection.base_ejection_time());
  settings.max_ejection_time = FromProto(detection.max_ejection_time());
  settings.max_ejected_percent = detection.max_ejected_percent();
  settings.unanswered_after = LongestHalfOpen(pool, config) + kSweepTime;
  return settings;
}

void PassiveHealth::SetConfig(const v1::Config& config) {
  std::set<std::string> wanted;
  for (const v1::Pool& pool : config.pools()) {
    if (!pool.has_outlier_detection()) continue;
    wanted.insert(pool.name());
    pools_[pool.name()].settings = OutlierSettingsOf(pool, config);
  }
  std::erase_if(pools_, [&](const auto& entry) { return !wanted.contains(entry.first); });
}

bool PassiveHealth::Observe(const Input& input, absl::Duration now) {
  bool any = false;
  for (const v1::Pool& pool : input.config.pools()) {
    const auto found = pools_.find(pool.name());
    // While a pool settles no slot of it moves for health's sake.
    if (found == pools_.end() || input.is_settling(pool.name())) continue;
    Watched& watched = found->second;
    any |= Log(watched.detector.Observe(watched.settings, MembersOf(pool, input), now));
  }
  return any;
}

bool PassiveHealth::Return(absl::Duration now) {
  bool any = false;
  for (auto& [pool, watched] : pools_) any |= Log(watched.detector.Return(now));
  return any;
}

const OutlierDetector::Ejection* PassiveHealth::Find(const std::string& key) const {
  const auto found = pools_.find(key.substr(0, key.find('/')));  // see BackendKey()
  return found == pools_.end() ? nullptr : found->second.detector.Find(key);
}

}  // namespace guideway
