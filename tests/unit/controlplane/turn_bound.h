// What the processor time of a turn of the event loop is judged by in tests.
#ifndef GUIDEWAY_TESTS_UNIT_CONTROLPLANE_TURN_BOUND_H_
#define GUIDEWAY_TESTS_UNIT_CONTROLPLANE_TURN_BOUND_H_

#include "absl/time/time.h"

namespace guideway {

// 5 ms are meant. What the kernel does for others meanwhile counts as well, and caches and a
// processor that is shared with another thread may double it. Sanitizers make everything slower.
#ifdef __SANITIZE_ADDRESS__
inline constexpr absl::Duration kTurnBound = absl::Milliseconds(300);
#else
inline constexpr absl::Duration kTurnBound = absl::Milliseconds(40);
#endif

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_CONTROLPLANE_TURN_BOUND_H_
