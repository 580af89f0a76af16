// See screen.h.
#include "controlplane/cli/screen.h"

#include <glog/logging.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/time/clock.h"

namespace guideway::cli {

namespace {

// Other page, cursor off; and back. ECMA-48 and xterm's private modes.
constexpr char kEnter[] = "\x1b[?1049h\x1b[?25l";
constexpr char kLeave[] = "\x1b[?25h\x1b[?1049l";
constexpr char kHome[] = "\x1b[H";
constexpr char kEndOfLine[] = "\x1b[K\n";  // the terminal adds the carriage return
constexpr char kClearBelow[] = "\x1b[J";
constexpr char kControlC = 3, kControlD = 4;

}  // namespace

bool Screen::IsTerminal() { return isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1; }

Screen::Screen() {
  sigset_t taken;
  sigemptyset(&taken);
  for (const int signal : {SIGWINCH, SIGINT, SIGTERM, SIGHUP}) sigaddset(&taken, signal);
  CHECK_EQ(pthread_sigmask(SIG_BLOCK, &taken, &mask_before_), 0);
  signals_.reset(signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK));
  CHECK(signals_.valid());
  if (tcgetattr(STDIN_FILENO, &before_) == 0) {
    termios keys = before_;
    keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG);
    keys.c_cc[VMIN] = 1;
    keys.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSANOW, &keys);
  }
  Write(kEnter);
}

Screen::~Screen() {
  Write(kLeave);
  tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
}

Screen::Size Screen::size() const {
  winsize window = {};
  Size size;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0) return size;
  if (window.ws_row > 0) size.rows = window.ws_row;
  if (window.ws_col > 0) size.columns = window.ws_col;
  return size;
}

void Screen::Show(const std::string& text) {
  Size inside = size();
  --inside.rows;  // a newline in the last one would scroll
  Write(kHome + CutToSize(text, inside, kEndOfLine) + kClearBelow);
}

Screen::Event Screen::Wait(absl::Duration time) {
  const absl::Time deadline = absl::Now() + time;
  while (!broken_) {
    pollfd events[] = {{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0},
                       {.fd = signals_.get(), .events = POLLIN, .revents = 0}};
    const absl::Duration left = std::max(deadline - absl::Now(), absl::ZeroDuration());
    const int count = poll(events, 2, static_cast<int>(absl::ToInt64Milliseconds(left) + 1));
    if (count == 0) return Event::kTimeout;
    if (count < 0 && errno != EINTR) return Event::kQuit;
    signalfd_siginfo info;
    if (read(signals_.get(), &info, sizeof(info)) == sizeof(info)) {
      return info.ssi_signo == SIGWINCH ? Event::kResized : Event::kQuit;
    }
    if (events[0].revents == 0) continue;
    char key = 0;
    if (read(STDIN_FILENO, &key, 1) != 1) return Event::kQuit;
    if (key == 'q' || key == kControlC || key == kControlD) return Event::kQuit;
  }
  return Event::kQuit;
}

void Screen::Write(const std::string& bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t written = write(STDOUT_FILENO, bytes.data() + done, bytes.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      broken_ = true;
      return;
    }
    done += static_cast<size_t>(written);
  }
}

std::string CutToSize(const std::string& text, Screen::Size size, const std::string& end) {
  std::string out;
  int rows = 0;
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  for (const std::string& line : lines) {
    if (rows++ >= size.rows) break;
    out += line.substr(0, static_cast<size_t>(std::max(size.columns, 0))) + end;
  }
  return out;
}

}  // namespace guideway::cli
