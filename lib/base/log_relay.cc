#include "lib/base/log_relay.h"

#include <fcntl.h>
#include <glog/logging.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "lib/base/clock.h"
#include "lib/base/start_thread.h"
#include "lib/base/status.h"
#include "lib/base/unique_fd.h"

namespace guideway {
namespace {

constexpr size_t kQueueBytes = 1 << 20;
constexpr int kPipeBytes = 1 << 20;  // what a process without privileges may have
constexpr size_t kChunkBytes = 1 << 16;
// How long the end of the process waits for the log.
constexpr int kFarewellMs = 300;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

int64_t MonotonicNs() { return absl::ToInt64Nanoseconds(MonotonicNow()); }

uint64_t CountLines(const std::string& text) {
  const auto ends = std::count(text.begin(), text.end(), '\n');
  return static_cast<uint64_t>(ends) + (text.empty() || text.back() == '\n' ? 0 : 1);
}

}  // namespace

struct LogRelay::State {
  UniqueFd pipe;           // to read from
  UniqueFd former_stderr;  // to write to
  std::mutex mutex;        // guards queue, queued_bytes, told
  std::condition_variable filled;
  std::deque<std::string> queue;  // whole lines
  size_t queued_bytes = 0;
  uint64_t told = 0;                   // of the lost lines: the log says so
  std::atomic<uint64_t> unwritten{0};  // chunks that are neither written nor lost yet
  std::atomic<uint64_t> lost{0};
  std::atomic<int64_t> lost_at_ns{0};

  void Lose(uint64_t lines) {
    lost.fetch_add(lines, std::memory_order_relaxed);
    lost_at_ns.store(MonotonicNs(), std::memory_order_relaxed);
  }
  void Put(std::string text) {
    const std::lock_guard lock(mutex);
    const uint64_t lines = CountLines(text);
    if (queued_bytes + text.size() > kQueueBytes) {
      Lose(lines);
      return;
    }
    if (const uint64_t all = lost.load(std::memory_order_relaxed); all > told) {
      text.insert(0, absl::StrCat("(", all - told, " lines of the log were lost here)\n"));
      told = all;
    }
    queued_bytes += text.size();
    unwritten.fetch_add(1);
    queue.push_back(std::move(text));
    filled.notify_one();
  }
  std::string Take() {
    std::unique_lock lock(mutex);
    filled.wait(lock, [this] { return !queue.empty(); });
    std::string text = std::move(queue.front());
    queue.pop_front();
    queued_bytes -= text.size();
    return text;
  }
  // Until nothing waits or the time is up. Also called by signal handlers.
  void Drain() const {
    for (int waited_ms = 0; waited_ms < kFarewellMs; ++waited_ms) {
      int in_pipe = 0;
      if (ioctl(pipe.get(), FIONREAD, &in_pipe) == 0 && in_pipe == 0 && unwritten.load() == 0) {
        return;
      }
      const timespec pause{.tv_sec = 0, .tv_nsec = 1'000'000};
      nanosleep(&pause, nullptr);
    }
  }
};

namespace {

using State = LogRelay::State;

// For the signal handlers and exit(); the process never takes it back.
std::atomic<const State*> g_state{nullptr};

void DrainAll() {
  if (const State* state = g_state.load()) state->Drain();
}

void DrainAndDie(int number) {
  DrainAll();
  signal(number, SIG_DFL);
  raise(number);
}

// The last words of a process that dies are to be read.
void DrainOnFatalSignals() {
  for (const int number : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
    struct sigaction now {};
    if (sigaction(number, nullptr, &now) != 0 || now.sa_handler != SIG_DFL) continue;
    struct sigaction action {};
    action.sa_handler = DrainAndDie;
    action.sa_flags = static_cast<int>(SA_RESETHAND | SA_NODEFER);
    sigaction(number, &action, nullptr);
  }
}

// Empties the pipe, so that nobody who writes a line ever finds it full for long.
void ReadPipe(const std::shared_ptr<State>& state) {
  std::string text;
  for (;;) {
    const size_t old = text.size();
    text.resize(old + kChunkBytes);
    // Before it is read: Drain() must not find both empty meanwhile.
    state->unwritten.fetch_add(1);
    pollfd waiting = {state->pipe.get(), POLLIN, 0};
    while (poll(&waiting, 1, 0) == 0) {
      state->unwritten.fetch_sub(1);
      poll(&waiting, 1, -1);
      state->unwritten.fetch_add(1);
    }
    const ssize_t got = read(state->pipe.get(), text.data() + old, kChunkBytes);
    text.resize(old + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    const size_t end = text.rfind('\n');
    if (got == 0 || end != std::string::npos || text.size() >= kChunkBytes) {
      const size_t whole = got == 0 || end == std::string::npos ? text.size() : end + 1;
      if (whole > 0) state->Put(text.substr(0, whole));
      text.erase(0, whole);
    }
    state->unwritten.fetch_sub(1);
    if (got == 0) return;
  }
}

// Waits for who reads the log. A part that was written counts as written.
bool WriteAll(int fd, const std::string& text) {
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t written = write(fd, text.data() + done, text.size() - done);
    if (written > 0) {
      done += static_cast<size_t>(written);
    } else if (written < 0 && errno == EAGAIN) {
      pollfd waiting = {fd, POLLOUT, 0};
      poll(&waiting, 1, -1);
    } else if (written == 0 || errno != EINTR) {
      return false;
    }
  }
  return true;
}

void WriteQueue(const std::shared_ptr<State>& state) {
  for (;;) {
    const std::string text = state->Take();
    if (!WriteAll(state->former_stderr.get(), text)) state->Lose(CountLines(text));
    state->unwritten.fetch_sub(1);
  }
}

// glog does not say that stdio could not write; stdio does. Called for each line, one at a time.
class LossCounter : public google::LogSink {
 public:
  explicit LossCounter(std::shared_ptr<State> state) : state_(std::move(state)) {}
  void send(google::LogSeverity, const char*, const char*, int, const google::LogMessageTime&,
            const char*, size_t) override {
    if (std::ferror(stderr) == 0) return;
    std::clearerr(stderr);
    state_->Lose(1);
  }

 private:
  const std::shared_ptr<State> state_;
};

// Both, or none that goes on: the first ends once nobody has its pipe open for writing.
absl::Status StartThreads(const std::shared_ptr<State>& state) {
  std::thread reader, writer;
  GW_RETURN_IF_ERROR(StartThread([state] { ReadPipe(state); }, &reader));
  reader.detach();
  GW_RETURN_IF_ERROR(StartThread([state] { WriteQueue(state); }, &writer));
  writer.detach();
  return absl::OkStatus();
}

}  // namespace

LogRelay::LogRelay(std::shared_ptr<State> state) : state_(std::move(state)) {}

absl::StatusOr<std::unique_ptr<LogRelay>> LogRelay::Start() {
  if (kSanitized) return std::unique_ptr<LogRelay>(new LogRelay(nullptr));
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus(errno, "the log's pipe");
  auto state = std::make_shared<State>();
  state->pipe = UniqueFd(ends[0]);
  UniqueFd writing(ends[1]);
  fcntl(writing.get(), F_SETPIPE_SZ, kPipeBytes);  // or what there is
  // Our own end: nobody else has it.
  fcntl(writing.get(), F_SETFL, O_NONBLOCK);
  state->former_stderr = UniqueFd(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
  if (!state->former_stderr.valid() || dup2(writing.get(), STDERR_FILENO) < 0) {
    return ErrnoStatus(errno, "taking over stderr");
  }
  const absl::Status started = StartThreads(state);
  if (!started.ok()) {
    // What is said of it must come out.
    dup2(state->former_stderr.get(), STDERR_FILENO);
    return Annotate(started, "the log");
  }
  std::unique_ptr<LogRelay> relay(new LogRelay(state));
  relay->counter_ = std::make_unique<LossCounter>(state);
  google::AddLogSink(relay->counter_.get());
  g_state.store(state.get());
  std::atexit(DrainAll);
  DrainOnFatalSignals();
  return relay;
}

LogRelay::~LogRelay() {
  if (state_ == nullptr) return;
  state_->Drain();
  google::RemoveLogSink(counter_.get());
  // The threads go on with what they have, and so does descriptor 2: who writes there now must not
  // wait either. exit() gives it a last moment.
  new std::shared_ptr<State>(state_);  // NOLINT(bugprone-unhandled-exception-at-new): at the end
}

uint64_t LogRelay::lost_lines() const {
  return state_ == nullptr ? 0 : state_->lost.load(std::memory_order_relaxed);
}

bool LogRelay::LostWithin(absl::Duration window) const {
  if (lost_lines() == 0) return false;
  const int64_t age_ns = MonotonicNs() - state_->lost_at_ns.load(std::memory_order_relaxed);
  return absl::Nanoseconds(age_ns) <= window;
}

}  // namespace guideway
