// What happens in the controller, as events for the API's watchers.
//
// Thread safety: loop thread only.
#ifndef GUIDEWAY_CONTROLPLANE_EVENTS_H_
#define GUIDEWAY_CONTROLPLANE_EVENTS_H_

#include <cstdint>
#include <functional>
#include <string>

#include "controlplane/api/guideway_service.pb.h"
#include "controlplane/health/state_machine.h"

namespace guideway {

v1::Health ToProto(HealthState state);

class Events {
 public:
  using Sink = std::function<void(v1::WatchEvent)>;

  void set_sink(Sink sink) { sink_ = std::move(sink); }

  // `key` as of BackendKey().
  void OnHealth(const std::string& key, HealthState health, const std::string& reason);
  // Tables of this generation are in force; told once.
  void OnTables(uint64_t generation);
  // Told if it is not what was told last.
  void OnDataplane(bool connected, const std::string& problem);

 private:
  void Send(v1::WatchEvent event);

  Sink sink_;  // null: nobody
  uint64_t generation_ = 0;
  bool connected_ = false;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_EVENTS_H_
