// What the processor time of a turn of the event loop is judged by in tests.
#ifndef GUIDEWAY_TESTS_UNIT_CONTROLPLANE_TURN_BOUND_H_
#define GUIDEWAY_TESTS_UNIT_CONTROLPLANE_TURN_BOUND_H_

#include "absl/time/time.h"

namespace guideway {

// 5 ms are meant; what is still one turn, such as the difference of two sets of tables, takes 20,
// and caches and a processor that is shared with another thread may double that. Sanitizers make
// everything slower.
#ifdef __SANITIZE_ADDRESS__
inline constexpr absl::Duration kTurnBound = absl::Milliseconds(500);
#else
inline constexpr absl::Duration kTurnBound = absl::Milliseconds(50);
#endif

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_CONTROLPLANE_TURN_BOUND_H_
