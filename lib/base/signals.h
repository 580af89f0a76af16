// What signals do to a daemon, decided for every one of them; see signals.def.
//
// Start-up, before any other thread exists: threads inherit the mask.
#ifndef GUIDEWAY_LIB_BASE_SIGNALS_H_
#define GUIDEWAY_LIB_BASE_SIGNALS_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "lib/base/unique_fd.h"

namespace guideway {

enum class SignalAction : uint8_t { kStop, kReload, kNote, kIgnore, kCore, kKernel };

enum class Daemon : uint8_t { kForwarder, kControlplane };  // the columns of signals.def

// Sets dispositions and mask, whatever the parent process has left. The descriptor becomes readable
// when a signal has come that there is something to do about.
absl::StatusOr<UniqueFd> SettleSignals(Daemon daemon);

struct TakenSignal {
  int number;
  SignalAction action;  // kStop, kReload or kNote
};
// The next one that has come; does not wait. `signals` is what SettleSignals() returned.
std::optional<TakenSignal> TakeSignal(int signals, Daemon daemon);

}  // namespace guideway

#endif  // GUIDEWAY_LIB_BASE_SIGNALS_H_
