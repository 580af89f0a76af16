// Logs that nobody reads neither stop nor kill a process, and every signal does what it should.
// Each case runs in a child process, whose stderr and signals are its own.
#include <fcntl.h>
#include <glog/logging.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "lib/base/log_relay.h"
#include "lib/base/signals.h"
#include "lib/base/standard_descriptors.h"
#include "tests/unit/base/no_threads.h"

namespace guideway {
namespace {

// With a sanitizer the relay does nothing; see its header.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kRelays = false;
#else
constexpr bool kRelays = true;
#endif

class Child {
 public:
  // Runs `body` with its stderr on a pipe; its result is the exit code.
  explicit Child(const std::function<int()>& body) {
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    reading_ = UniqueFd(ends[0]);
    pid_ = fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      dup2(ends[1], STDERR_FILENO);
      close(ends[0]);
      close(ends[1]);
      // The test framework's would speak for the child.
      for (const int number : {SIGABRT, SIGSEGV, SIGFPE, SIGILL, SIGTERM, SIGINT}) {
        signal(number, SIG_DFL);
      }
      std::exit(body());
    }
    close(ends[1]);
  }
  ~Child() {
    if (pid_ > 0) kill(pid_, SIGKILL), waitpid(pid_, nullptr, 0);
  }
  void CloseReader() { reading_.reset(); }
  // Until it contains `text` or the writer ends.
  std::string ReadUntil(const std::string& text) {
    std::string all;
    char buffer[4096];
    while (text.empty() || !absl::StrContains(all, text)) {
      const ssize_t got = read(reading_.get(), buffer, sizeof(buffer));
      if (got <= 0) break;
      all.append(buffer, static_cast<size_t>(got));
    }
    return all;
  }
  // The status that waitpid() gives.
  int Wait() {
    int status = 0;
    REQUIRE(waitpid(pid_, &status, 0) == pid_);
    pid_ = -1;
    return status;
  }
  pid_t pid() const { return pid_; }

 private:
  UniqueFd reading_;
  pid_t pid_ = -1;
};

std::unique_ptr<LogRelay> Begin() {
  FLAGS_logtostderr = true;
  const auto signals = SettleSignals(Daemon::kForwarder);
  if (!signals.ok()) std::abort();
  return *LogRelay::Start();
}

double Seconds(const std::function<void()>& work) {
  const absl::Time start = absl::Now();
  work();
  return absl::ToDoubleSeconds(absl::Now() - start);
}

TEST_CASE("lines arrive whole, in order and all of them, also the last one before the end") {
  Child child([] {
    const auto relay = Begin();
    for (int i = 0; i < 2000; ++i) LOG(INFO) << "line " << i << " of many";
    return relay->lost_lines() == 0 ? 0 : 1;
  });
  const std::string log = child.ReadUntil("");
  size_t at = 0;
  for (int i = 0; i < 2000; ++i) {
    at = log.find("line " + std::to_string(i) + " of many\n", at);
    REQUIRE(at != std::string::npos);
  }
  CHECK(child.Wait() == 0);
}

TEST_CASE("without threads the log stays as it was") {
  if (!kRelays) return;
  Child child([] {
    FLAGS_logtostderr = true;
    {
      const NoThreads none;
      const auto relay = LogRelay::Start();
      if (relay.ok()) return 1;
      LOG(ERROR) << relay.status().message();
    }
    return LogRelay::Start().ok() ? 0 : 2;
  });
  CHECK_THAT(child.ReadUntil("(threads, memory)"),
             Catch::Contains("the log: starting a thread: Resource temporarily unavailable"));
  CHECK(child.Wait() == 0);
}

TEST_CASE("a full pipe delays nobody, and what is lost is counted") {
  if (!kRelays) return;
  Child child([] {
    const auto relay = Begin();
    const std::string text(200, 'x');
    // 20 MB into a pipe of 64 KiB that nobody empties.
    const double took = Seconds([&] {
      for (int i = 0; i < 100'000; ++i) LOG(INFO) << text;
    });
    for (int i = 0; i < 100 && relay->lost_lines() < 80'000; ++i)
      absl::SleepFor(absl::Milliseconds(50));
    if (!relay->LostWithin(absl::Minutes(1))) return 2;
    if (relay->lost_lines() < 80'000 || relay->lost_lines() > 100'000) return 3;
    return took < 20 ? 0 : 4;
  });
  CHECK(child.Wait() == 0);
  // What was waiting says what is missing.
  CHECK_THAT(child.ReadUntil(""), Catch::Contains("xxxx"));
}

TEST_CASE("who reads on learns how many lines were lost") {
  if (!kRelays) return;
  int written[2];
  REQUIRE(pipe(written) == 0);
  Child child([&] {
    const auto relay = Begin();
    const std::string text(200, 'x');
    for (int i = 0; i < 30'000; ++i) LOG(INFO) << text;
    if (write(written[1], "x", 1) != 1) return 2;
    for (int i = 0; i < 100; ++i) {
      LOG(INFO) << "again";
      absl::SleepFor(absl::Milliseconds(20));
    }
    return 0;
  });
  // A reader that was as quick as the writer would lose nothing.
  char byte = 0;
  REQUIRE(read(written[0], &byte, 1) == 1);
  CHECK_THAT(child.ReadUntil("were lost here"), Catch::Contains("lines of the log were lost here"));
  child.ReadUntil("");
  CHECK(child.Wait() == 0);
  close(written[0]);
  close(written[1]);
}

TEST_CASE("a reader that is gone kills nobody") {
  Child child([] {
    const auto relay = Begin();
    for (int i = 0; i < 1000; ++i) {
      LOG(INFO) << "to nobody";
      if (i == 10) absl::SleepFor(absl::Milliseconds(100));
    }
    for (int i = 0; kRelays && i < 100 && relay->lost_lines() == 0; ++i) {
      absl::SleepFor(absl::Milliseconds(20));
    }
    return !kRelays || relay->lost_lines() > 0 ? 0 : 2;
  });
  child.CloseReader();
  CHECK(child.Wait() == 0);
}

TEST_CASE("a full disk kills nobody") {
  Child child([] {
    const int full = open("/dev/full", O_WRONLY);
    dup2(full, STDERR_FILENO);
    const auto relay = Begin();
    for (int i = 0; i < 100; ++i) LOG(INFO) << "to nowhere";
    for (int i = 0; kRelays && i < 100 && relay->lost_lines() < 100; ++i) {
      absl::SleepFor(absl::Milliseconds(20));
    }
    return !kRelays || relay->lost_lines() >= 100 ? 0 : 2;
  });
  CHECK(child.Wait() == 0);
}

TEST_CASE("the last words before a crash are read") {
  Child child([] {
    const auto relay = Begin();
    for (int i = 0; i < 100; ++i) LOG(INFO) << "before";
    LOG(FATAL) << "the last words";
    return 0;
  });
  CHECK_THAT(child.ReadUntil(""), Catch::Contains("the last words"));
  const int status = child.Wait();
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGABRT);
}

bool IsNull(int fd) {
  struct stat null {};
  struct stat info {};
  return stat("/dev/null", &null) == 0 && fstat(fd, &info) == 0 && S_ISCHR(info.st_mode) &&
         info.st_rdev == null.st_rdev;
}

TEST_CASE("closed standard descriptors become /dev/null, and signals are taken all the same") {
  const int closed = GENERATE(range(0, 8));  // a bit for each descriptor
  INFO(closed);
  Child child([closed] {
    // None of them is /dev/null before.
    dup2(STDERR_FILENO, STDIN_FILENO);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    for (int fd = 0; fd < 3; ++fd) {
      if ((closed & (1 << fd)) != 0) close(fd);
    }
    if (!OpenStandardDescriptors().ok()) return 2;
    for (int fd = 0; fd < 3; ++fd) {
      if (fcntl(fd, F_GETFD) != 0 || IsNull(fd) != ((closed & (1 << fd)) != 0)) return 3 + fd;
    }
    const auto signals = SettleSignals(Daemon::kForwarder);
    const auto log = LogRelay::Start();
    if (!signals.ok() || !log.ok()) return 6;
    LOG(INFO) << "to wherever it goes";
    kill(getpid(), SIGTERM);
    const auto taken = TakeSignal(signals->get(), Daemon::kForwarder);
    return taken && taken->number == SIGTERM ? 0 : 7;
  });
  child.CloseReader();
  const int status = child.Wait();
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

// What a process does on a signal: the code it ends with, or 128 + the signal that has killed it.
int EndBy(int number, Daemon daemon, SignalAction* taken) {
  int told[2];
  REQUIRE(pipe(told) == 0);
  Child child([&] {
    // As a parent may leave it.
    signal(number, SIG_IGN);
    const auto signals = SettleSignals(daemon);
    if (!signals.ok()) return 90;
    kill(getpid(), number);
    pollfd waiting = {signals->get(), POLLIN, 0};
    if (poll(&waiting, 1, 200) == 1) {
      const auto got = TakeSignal(signals->get(), daemon);
      if (!got || got->number != number) return 91;
      const auto action = static_cast<char>(got->action);
      if (write(told[1], &action, 1) != 1) return 92;
    }
    return 0;
  });
  const int status = child.Wait();
  close(told[1]);
  char action = 0;
  const bool told_any = read(told[0], &action, 1) == 1;
  close(told[0]);
  *taken = told_any ? static_cast<SignalAction>(action) : SignalAction::kIgnore;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

TEST_CASE("every signal does what the list says, whatever the parent has left") {
  struct Row {
    int number;
    SignalAction forwarder, controlplane;
  };
  const Row rows[] = {
#define GW_SIGNAL(number, forwarder, controlplane) \
  {number, SignalAction::forwarder, SignalAction::controlplane},
#include "lib/base/signals.def"
#undef GW_SIGNAL
      {SIGRTMIN, SignalAction::kIgnore, SignalAction::kIgnore},
      {SIGRTMAX, SignalAction::kIgnore, SignalAction::kIgnore},
  };
  std::set<int> listed = {SIGKILL, SIGSTOP};
  for (const Row& row : rows) {
    listed.insert(row.number);
    for (const Daemon daemon : {Daemon::kForwarder, Daemon::kControlplane}) {
      const SignalAction expected = daemon == Daemon::kForwarder ? row.forwarder : row.controlplane;
      if (expected == SignalAction::kCore && !kRelays) continue;  // the sanitizer's
      SignalAction taken;
      INFO(sigdescr_np(row.number));
      const int end = EndBy(row.number, daemon, &taken);
      CHECK(end == (expected == SignalAction::kCore ? 128 + row.number : 0));
      const bool is_taken = expected == SignalAction::kStop || expected == SignalAction::kReload ||
                            expected == SignalAction::kNote;
      CHECK(taken == (is_taken ? expected : SignalAction::kIgnore));
    }
  }
  // None is forgotten.
  for (int number = 1; number <= SIGSYS; ++number) CHECK(listed.contains(number));
}

}  // namespace
}  // namespace guideway
