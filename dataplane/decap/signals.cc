// Dispositions of signals, and a log that does not wait for its reader.
#include "dataplane/decap/signals.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "lib/base/status.h"

namespace guideway {
namespace {

// Those that end the run, or make it look at once. SIGHUP: the configuration is the command line,
// so what can be read again is the host.
struct Rule {
  int number;
  SignalMeaning meaning;
};
constexpr Rule kRules[] = {
    {SIGTERM, SignalMeaning::kEnd},
    {SIGINT, SignalMeaning::kEnd},
    {SIGQUIT, SignalMeaning::kEnd},
    {SIGHUP, SignalMeaning::kLook},
};

// Nobody has a reason to send these, or it is no reason to end: a log whose reader has gone
// (SIGPIPE) or whose file is full (SIGXFSZ). SIGURG, SIGWINCH and SIGCHLD do nothing by default.
constexpr int kIgnored[] = {SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM,   SIGVTALRM,
                            SIGPROF, SIGPOLL, SIGPWR,  SIGSTKFLT, SIGXFSZ};
// Left to the kernel: SIGKILL, SIGSTOP and the stops of a terminal with SIGCONT; SIGXCPU, a limit
// that somebody has set on purpose; and faults, which end the process with a core: SIGABRT, SIGBUS,
// SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP. The programs stay attached then.

// A pipe that poll() calls writable takes this much without blocking.
constexpr size_t kLongestLine = 4096;

}  // namespace

absl::StatusOr<UniqueFd> DecideSignals() {
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  for (const int number : kIgnored) sigaction(number, &ignore, nullptr);
  for (int number = SIGRTMIN; number <= SIGRTMAX; ++number) sigaction(number, &ignore, nullptr);
  sigset_t set;
  sigemptyset(&set);
  for (const Rule& rule : kRules) sigaddset(&set, rule.number);
  if (sigprocmask(SIG_BLOCK, &set, nullptr) != 0) return ErrnoStatus(errno, "sigprocmask");
  UniqueFd fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return ErrnoStatus(errno, "signalfd");
  return fd;
}

SignalMeaning WaitForSignal(const UniqueFd& signals, absl::Duration limit) {
  pollfd ready{.fd = signals.get(), .events = POLLIN, .revents = 0};
  poll(&ready, 1, static_cast<int>(absl::ToInt64Milliseconds(limit)));
  signalfd_siginfo info{};
  if (read(signals.get(), &info, sizeof(info)) != sizeof(info)) return SignalMeaning::kNone;
  for (const Rule& rule : kRules) {
    if (static_cast<uint32_t>(rule.number) == info.ssi_signo) return rule.meaning;
  }
  return SignalMeaning::kNone;
}

void Say(int fd, const std::string& line) {
  static int dropped = 0;  // NOLINT: one thread, one log
  std::string text = line;
  if (dropped > 0) text = absl::StrCat("(", dropped, " lines were dropped)\n", line);
  text.resize(std::min(text.size(), kLongestLine - 1));
  text += '\n';
  pollfd ready{.fd = fd, .events = POLLOUT, .revents = 0};
  const bool takes = poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT) != 0;
  if (takes && write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size())) {
    dropped = 0;
  } else {
    ++dropped;
  }
}

}  // namespace guideway
