// What the operator means a backend to do: the one definition of "meant to take flows".
//
// Thread safety: pure functions.
#ifndef GUIDEWAY_LIB_CONFIG_MEANT_H_
#define GUIDEWAY_LIB_CONFIG_MEANT_H_

#include "lib/config/guideway.pb.h"

namespace guideway {

// New flows: it is enabled and has a weight. What is drained, disabled or weighted 0 is out on
// purpose, so its health is nobody's trouble. A backup is meant to take them, too.
inline bool IsMeantToTakeFlows(const v1::Backend& backend) {
  return backend.state() == v1::ENABLED && backend.weight() > 0;
}

}  // namespace guideway

#endif  // GUIDEWAY_LIB_CONFIG_MEANT_H_
