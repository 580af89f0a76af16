// What the controller knows, as the API's messages.
#ifndef GUIDEWAY_CONTROLPLANE_STATE_REPORT_H_
#define GUIDEWAY_CONTROLPLANE_STATE_REPORT_H_

#include "controlplane/api/guideway_service.pb.h"
#include "controlplane/compiler/compiler.h"
#include "controlplane/health/prober.h"
#include "controlplane/health/settling.h"
#include "controlplane/health_guards.h"
#include "controlplane/session/session.h"

namespace guideway {

// A view on the controller's parts for one call. Thread safety: loop thread only.
struct StateReport {
  const v1::Config& config;
  const Compiled& compiled;
  const Prober& prober;
  const Settling& settling;
  const HealthGuards& guards;
  const Session& session;
  const channel::CountersRegion* counters;  // null: none read yet
  const std::string& keep_problem;          // of the backend indices; empty: none
  const std::string& probe_problem;         // of probes through the tunnel; empty: none
  absl::Duration now;                       // EventLoop::Now()

  void FillState(v1::GetStateResponse* state) const;
  void FillStatus(v1::GetStatusResponse* status) const;

 private:
  // How many backends this host cannot probe and why it cannot the first; empty: none.
  std::string NotProbed() const;
  void FillBackend(const v1::Pool& pool, const v1::Backend& backend, bool failed_open,
                   v1::BackendState* state) const;
};

// `vips`: name to index.
v1::GetStatsResponse MakeStats(const channel::CountersRegion& counters,
                               const channel::Welcome& welcome,
                               const std::map<std::string, uint32_t>& vips);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_STATE_REPORT_H_
