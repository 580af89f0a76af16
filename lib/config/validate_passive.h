// Checks of what pools say of outlier detection and circuit breakers.
#ifndef GUIDEWAY_LIB_CONFIG_VALIDATE_PASSIVE_H_
#define GUIDEWAY_LIB_CONFIG_VALIDATE_PASSIVE_H_

#include "lib/config/guideway.pb.h"
#include "lib/config/problems.h"

namespace guideway {

// Adds what is wrong; `config` has its defaults. Thread safety: a pure function.
void ValidatePassive(const v1::Config& config, Problems* problems);

}  // namespace guideway

#endif  // GUIDEWAY_LIB_CONFIG_VALIDATE_PASSIVE_H_
