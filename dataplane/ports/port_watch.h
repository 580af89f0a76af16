// Compares a port with what was opened, once a second: adopts what can be adopted, names the rest.
//
// Logs what changes, once. Manager thread only.
#ifndef GUIDEWAY_DATAPLANE_PORTS_PORT_WATCH_H_
#define GUIDEWAY_DATAPLANE_PORTS_PORT_WATCH_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "dataplane/ports/interface_state.h"
#include "dataplane/ports/port.h"
#include "lib/channel/vitals.h"

namespace guideway {

class PortWatch {
 public:
  // `port` is borrowed, and has a queue for each of `workers`.
  PortWatch(Port* port, uint32_t workers);

  // `now` monotonic.
  void Look(absl::Duration now);

  // How it was made anew, if its interface was and can be opened; else empty. Only a new process
  // can do that.
  const std::string& made_anew() const { return made_anew_; }
  // Why a start would refuse this port now, or cannot be expected to open it.
  absl::Status CheckStart() const;
  // Why the interface that is there again is not served; empty: it is, or there is none.
  void SetSuccessorProblem(const std::string& problem);

  // What is so now, for the control plane.
  const channel::PortVitals& vitals() const { return vitals_; }
  // Names of the faults: "gone", "queues" ...
  std::vector<std::string> Faults() const;

 private:
  void LookAtInterface(absl::Duration now);
  void LookForSuccessor();
  void SetKernelInterface(const std::string& name);
  void Adopt(const InterfaceState& state);
  void LookAtProgram(absl::Duration now);
  void LookAtShared();
  // What is wrong, or empty: why the port is gone, and why nothing gets through.
  void LookAtTwin(std::string* gone, std::string* down);
  void LookAtDevice(std::string* gone, std::string* down) const;
  // Sets or clears a fault; `why` is logged when it comes.
  void Set(channel::PortFault fault, bool present, const std::string& why);

  Port* const port_;
  const uint32_t workers_;
  channel::PortVitals vitals_;
  std::string made_anew_;
  std::string successor_problem_;                                 // logged
  absl::Duration attached_again_at_ = -absl::InfiniteDuration();  // logged
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_PORTS_PORT_WATCH_H_
