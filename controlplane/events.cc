// See events.h.
#include "controlplane/events.h"

#include <utility>
#include <vector>

#include "absl/strings/str_split.h"

namespace guideway {

v1::Health ToProto(HealthState state) {
  switch (state) {
    case HealthState::kUnknown:
      return v1::HEALTH_UNKNOWN;
    case HealthState::kHealthy:
      return v1::HEALTH_HEALTHY;
    case HealthState::kUnhealthy:
      return v1::HEALTH_UNHEALTHY;
    case HealthState::kUnprobed:
      return v1::HEALTH_UNPROBED;
  }
  return v1::HEALTH_UNKNOWN;
}

void Events::OnHealth(const std::string& key, HealthState health, const std::string& reason) {
  const std::vector<std::string> parts = absl::StrSplit(key, '/');
  v1::WatchEvent event;
  v1::HealthChange* change = event.mutable_health();
  change->set_pool(parts[0]);
  if (parts.size() > 1) change->set_backend(parts[1]);
  change->set_health(ToProto(health));
  change->set_reason(reason);
  Send(std::move(event));
}

void Events::OnTables(uint64_t generation) {
  if (std::exchange(generation_, generation) == generation) return;
  v1::WatchEvent event;
  event.mutable_tables()->set_generation(generation);
  Send(std::move(event));
}

void Events::OnDataplane(bool connected, const std::string& problem) {
  if (std::exchange(connected_, connected) == connected) return;
  v1::WatchEvent event;
  event.mutable_dataplane()->set_connected(connected);
  event.mutable_dataplane()->set_problem(problem);
  Send(std::move(event));
}

void Events::Send(v1::WatchEvent event) {
  if (sink_) sink_(std::move(event));
}

}  // namespace guideway
