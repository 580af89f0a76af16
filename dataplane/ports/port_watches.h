// The watches of all ports, and whether this process should end so that a new one opens a port that
// was made anew.
//
// It should only if a new process could open all ports: one that is refused would leave no port
// served, for the sake of one. Manager thread only.
#ifndef GUIDEWAY_DATAPLANE_PORTS_PORT_WATCHES_H_
#define GUIDEWAY_DATAPLANE_PORTS_PORT_WATCHES_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "dataplane/ports/port.h"
#include "dataplane/ports/port_watch.h"

namespace guideway {

class PortWatches {
 public:
  // `ports` are borrowed.
  PortWatches(const std::vector<std::unique_ptr<Port>>& ports, uint32_t workers);

  // Looks at all, once a second; `now` monotonic. FailedPrecondition: a port was made anew, and a
  // new process could open all. If it could not, the log says once which port is in the way.
  absl::Status Look(absl::Duration now);

  size_t size() const { return watches_.size(); }
  const PortWatch& operator[](size_t port) const { return watches_[port]; }

 private:
  std::vector<PortWatch> watches_;  // by port
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_PORTS_PORT_WATCHES_H_
