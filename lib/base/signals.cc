#include "lib/base/signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "lib/base/status.h"

namespace guideway {
namespace {

struct Row {
  int number;
  SignalAction forwarder;
  SignalAction controlplane;
};
constexpr Row kRows[] = {
#define GW_SIGNAL(number, forwarder, controlplane) \
  {number, SignalAction::forwarder, SignalAction::controlplane},
#include "lib/base/signals.def"
#undef GW_SIGNAL
};

SignalAction ActionOf(const Row& row, Daemon daemon) {
  return daemon == Daemon::kControlplane ? row.controlplane : row.forwarder;
}

bool IsTaken(SignalAction action) {
  return action == SignalAction::kStop || action == SignalAction::kReload ||
         action == SignalAction::kNote;
}

void SetDisposition(int number, void (*disposition)(int)) {
  struct sigaction action {};
  action.sa_handler = disposition;
  sigaction(number, &action, nullptr);
}

// A handler that stands (a sanitizer's) is kept.
void ResetIfIgnored(int number) {
  struct sigaction now {};
  if (sigaction(number, nullptr, &now) == 0 && now.sa_handler == SIG_IGN) {
    SetDisposition(number, SIG_DFL);
  }
}

}  // namespace

absl::StatusOr<UniqueFd> SettleSignals(Daemon daemon) {
  sigset_t taken;
  sigemptyset(&taken);
  for (const Row& row : kRows) {
    const SignalAction action = ActionOf(row, daemon);
    if (action == SignalAction::kIgnore) {
      SetDisposition(row.number, SIG_IGN);
    } else if (IsTaken(action)) {
      // Not ignored, as by nohup: an ignored signal does not come through the descriptor either.
      SetDisposition(row.number, SIG_DFL);
      sigaddset(&taken, row.number);
    } else {
      ResetIfIgnored(row.number);
    }
  }
  for (int number = SIGRTMIN; number <= SIGRTMAX; ++number) SetDisposition(number, SIG_IGN);
  if (const int error = pthread_sigmask(SIG_SETMASK, &taken, nullptr); error != 0) {
    return ErrnoStatus(error, "pthread_sigmask");
  }
  UniqueFd fd(signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return ErrnoStatus(errno, "signalfd");
  return fd;
}

std::optional<TakenSignal> TakeSignal(int signals, Daemon daemon) {
  signalfd_siginfo info;
  if (read(signals, &info, sizeof(info)) != sizeof(info)) return std::nullopt;
  const int number = static_cast<int>(info.ssi_signo);
  for (const Row& row : kRows) {
    if (row.number == number) return TakenSignal{number, ActionOf(row, daemon)};
  }
  return TakenSignal{number, SignalAction::kNote};
}

}  // namespace guideway
