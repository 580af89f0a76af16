// The part of validate.h about fragments: what has no ports must have one pool. Stateless.
#ifndef GUIDEWAY_LIB_CONFIG_VALIDATE_FRAGMENTS_H_
#define GUIDEWAY_LIB_CONFIG_VALIDATE_FRAGMENTS_H_

#include "lib/config/guideway.pb.h"
#include "lib/config/problems.h"

namespace guideway {

// `config` has its defaults filled in.
void ValidateFragments(const v1::Config& config, Problems* problems);

}  // namespace guideway

#endif  // GUIDEWAY_LIB_CONFIG_VALIDATE_FRAGMENTS_H_
