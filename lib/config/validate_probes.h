// Checks of probes, and of what follows from health: fields that must fit each other.
#ifndef GUIDEWAY_LIB_CONFIG_VALIDATE_PROBES_H_
#define GUIDEWAY_LIB_CONFIG_VALIDATE_PROBES_H_

#include "lib/config/guideway.pb.h"
#include "lib/config/problems.h"

namespace guideway {

// `config` has its defaults. Values that are wrong by themselves have been reported before and are
// left out here. Thread safety: pure function.
void ValidateProbes(const v1::Config& config, Problems* problems);

}  // namespace guideway

#endif  // GUIDEWAY_LIB_CONFIG_VALIDATE_PROBES_H_
