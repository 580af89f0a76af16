// What a data plane can hold, beyond the limits that every configuration is checked against. Pure.
//
// Memory for tables is not among it: the data plane finds out while it builds them, refuses what
// does not fit, and the change is taken back.
#ifndef GUIDEWAY_CONTROLPLANE_CAPACITY_H_
#define GUIDEWAY_CONTROLPLANE_CAPACITY_H_

#include <string>
#include <vector>

#include "lib/channel/layout.h"
#include "lib/config/guideway.pb.h"

namespace guideway {

// What of `config` does not fit the data plane that said `welcome`, in words. Empty: all fits, as
// far as can be known.
std::vector<std::string> BeyondCapacityOf(const channel::Welcome& welcome,
                                          const v1::Config& config);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_CAPACITY_H_
