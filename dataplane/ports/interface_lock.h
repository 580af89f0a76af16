// Makes sure that one data plane only works on a kernel interface.
//
// Taking over an interface begins by removing the XDP program that a killed process left; that must
// not happen to a living one. The lock (lib/base/named_lock.h) is private to the network namespace,
// as the interface is.
#ifndef GUIDEWAY_DATAPLANE_PORTS_INTERFACE_LOCK_H_
#define GUIDEWAY_DATAPLANE_PORTS_INTERFACE_LOCK_H_

#include <string>

#include "absl/status/statusor.h"
#include "lib/base/named_lock.h"
#include "lib/base/unique_fd.h"

namespace guideway {

// Held as long as the descriptor is open. FailedPrecondition, naming the interface and the process,
// if another one holds it. Without a lock to be had it is none, which is a warning.
absl::StatusOr<UniqueFd> LockInterface(const std::string& interface_name,
                                       const std::string& directory = kLockDirectory);

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_PORTS_INTERFACE_LOCK_H_
