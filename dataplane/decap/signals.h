// What each signal does to `guideway-decap run`, and its log, which neither blocks nor ends it.
#ifndef GUIDEWAY_DATAPLANE_DECAP_SIGNALS_H_
#define GUIDEWAY_DATAPLANE_DECAP_SIGNALS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "lib/base/unique_fd.h"

namespace guideway {

enum class SignalMeaning { kNone, kEnd, kLook };

// Gives every signal its disposition; those that mean something are blocked from here on and come
// by the descriptor.
absl::StatusOr<UniqueFd> DecideSignals();

// Waits for one of them, at most for `limit` on the monotonic clock, which gives kNone.
SignalMeaning WaitForSignal(const UniqueFd& signals, absl::Duration limit);

// One line to the descriptor. It is dropped if nobody takes it now; the next line that gets through
// says how many were.
void Say(int fd, const std::string& line);

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_DECAP_SIGNALS_H_
