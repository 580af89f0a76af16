// See program_runner.h.
#include "controlplane/health/program_runner.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace guideway {
namespace {

constexpr char kPath[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr size_t kKeptBytes = size_t{64} * 1024;  // of the output, for what is expected
constexpr size_t kShownBytes = 200;               // of its first line, in the reason
constexpr int kIdTypePidfd = 3;                   // P_PIDFD, which old headers lack
// Between two looks at a killed program whose end the kernel does not tell.
constexpr absl::Duration kLookInterval = absl::Seconds(1);
// Exit statuses of a shell, and of much else, that has not found or could not run a program.
constexpr int kNotExecutable = 126, kNotFound = 127;

// By which this host ends a program that asks for too much, or a program ends that is broken.
// Others may be a program's own way to end when nothing has answered it (SIGALRM, SIGTERM,
// SIGPIPE).
bool IsOwnSignal(int signal) {
  switch (signal) {
    case SIGKILL:
    case SIGXCPU:
    case SIGXFSZ:
    case SIGSYS:
    case SIGSEGV:
    case SIGBUS:
    case SIGILL:
    case SIGFPE:
    case SIGABRT:
      return true;
    default:
      return false;
  }
}

std::vector<char*> Pointers(std::vector<std::string>* texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts->size() + 1);
  for (std::string& text : *texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// 0, or an errno. The child has no signal blocked or ignored, no descriptor but its output, and a
// process group of its own.
int Spawn(const ProbeRequest& request, int output, pid_t* pid) {
  std::vector<std::string> arguments = request.command;
  std::vector<std::string> environment = {kPath, "GUIDEWAY_ADDRESS=" + request.address.ToString()};
  environment.insert(environment.end(), request.environment.begin(), request.environment.end());
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, output, STDERR_FILENO);
  posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  const int error = posix_spawn(pid, request.command[0].c_str(), &files, &attributes,
                                Pointers(&arguments).data(), Pointers(&environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  return error;
}

// What is printable of the first line.
std::string FirstLine(const std::string& output) {
  std::string line = output.substr(0, std::min(output.find('\n'), kShownBytes));
  for (char& c : line) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return std::string(absl::StripAsciiWhitespace(line));
}

// Takes care of the child's end, if it has come. Its number is its own until then.
bool HasEnded(pid_t pid) {
  siginfo_t info{};
  if (waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG) != 0) return errno == ECHILD;
  return info.si_pid != 0;
}

}  // namespace

class ProgramProbe : public Probe {
 public:
  ProgramProbe(ProgramRunner* runner, const ProbeRequest& request, ProbeDone done)
      : runner_(runner), loop_(runner->loop_), request_(request), done_(std::move(done)) {
    // This host lacks the program or the means: says nothing of the backend.
    if (runner->TooManyDying()) {
      FinishSoon(absl::StrCat("run ", request_.command[0], ": ", ProgramRunner::kMostDying,
                              " killed programs do not end"));
      return;
    }
    const int error = Run();
    if (error != 0) {
      FinishSoon(absl::StrCat("run ", request_.command[0], ": ", strerror(error)));
      return;
    }
    int unwatched = loop_->TryWatch(output_.get(), EPOLLIN, [this](uint32_t) { ReadOutput(); });
    if (unwatched == 0) {
      unwatched = loop_->TryWatch(pidfd_.get(), EPOLLIN, [this](uint32_t) { OnEnd(); });
    }
    if (unwatched != 0) {
      FinishSoon(absl::StrCat("epoll_ctl: ", strerror(unwatched)));
      return;
    }
    timer_ = loop_->After(request_.timeout, [this] {
      Finish({ProbeResult::Outcome::kFailure, TimeoutReason(request_.timeout) + ", killed"});
    });
  }
  ~ProgramProbe() override { Release(); }

 private:
  int Run() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return errno;
    output_.reset(ends[0]);
    const UniqueFd output_end(ends[1]);
    // The program must not be surprised by a descriptor that does not block.
    fcntl(output_end.get(), F_SETFL, 0);
    const int error = Spawn(request_, output_end.get(), &pid_);
    if (error != 0) return error;
    // The child is ours and nobody has waited for it: its number cannot be another process's.
    pidfd_.reset(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
    if (pidfd_.valid()) return 0;
    const int no_pidfd = errno;
    runner_->Bury(pid_, UniqueFd());
    return no_pidfd;
  }

  // False when nothing more comes for now or ever.
  bool ReadSome() {
    std::array<char, 4096> buffer;
    const ssize_t got = read(output_.get(), buffer.data(), buffer.size());
    if (got <= 0) {
      if (got == 0) loop_->Unwatch(output_.get());
      return got < 0 && errno == EINTR;
    }
    const size_t room = kKeptBytes - text_.size();
    text_.append(buffer.data(), std::min(static_cast<size_t>(got), room));
    return true;
  }
  // A program that floods its output gets as much of the loop as any other.
  void ReadOutput() { ReadSome(); }

  void OnEnd() {
    // As much as a pipe holds; what the program's children still write is not its own.
    for (int i = 0; i < 16 && ReadSome(); ++i) {
    }
    siginfo_t info{};
    // Left as it is until the group is killed, so that the group's number stays its own.
    if (waitid(static_cast<idtype_t>(kIdTypePidfd), static_cast<id_t>(pidfd_.get()), &info,
               WEXITED | WNOWAIT) != 0) {
      Finish({ProbeResult::Outcome::kNotRun, absl::StrCat("waitid: ", strerror(errno))});
      return;
    }
    Finish(Judge(info));
  }

  ProbeResult Judge(const siginfo_t& info) const {
    const std::string line = FirstLine(text_);
    const std::string says = line.empty() ? "" : ": " + line;
    if (info.si_code != CLD_EXITED) {
      return {IsOwnSignal(info.si_status) ? ProbeResult::Outcome::kNotRun
                                          : ProbeResult::Outcome::kFailure,
              absl::StrCat("ended by signal ", info.si_status, says)};
    }
    const std::string status = absl::StrCat("exit status ", info.si_status, says);
    if (info.si_status == kNotExecutable || info.si_status == kNotFound) {
      return {ProbeResult::Outcome::kNotRun, status};
    }
    if (info.si_status != 0) return {ProbeResult::Outcome::kFailure, status};
    if (text_.find(request_.expect) == std::string::npos) {
      return {ProbeResult::Outcome::kFailure, status + ", output without what is expected"};
    }
    return {ProbeResult::Outcome::kSuccess, status};
  }

  void FinishSoon(const std::string& why_not_run) {
    timer_ = loop_->After(absl::ZeroDuration(), [this, why_not_run] {
      Finish({ProbeResult::Outcome::kNotRun, why_not_run});
    });
  }
  // `done_` may destroy this object: nothing is touched after the call.
  void Finish(ProbeResult result) {
    Release();
    const ProbeDone done = std::move(done_);
    done(std::move(result));
  }
  void Release() {
    loop_->Cancel(timer_);
    if (output_.valid()) loop_->Unwatch(output_.get());
    output_.reset();
    if (!pidfd_.valid()) return;
    loop_->Unwatch(pidfd_.get());
    runner_->Bury(pid_, std::move(pidfd_));
  }

  ProgramRunner* runner_;
  EventLoop* loop_;
  const ProbeRequest request_;
  ProbeDone done_;
  pid_t pid_ = 0;
  UniqueFd pidfd_;
  UniqueFd output_;
  std::string text_;
  EventLoop::TimerId timer_ = 0;
};

ProgramRunner::~ProgramRunner() {
  for (auto& [pid, dying] : dying_) {
    loop_->Cancel(dying.timer);
    if (dying.pidfd.valid()) loop_->Unwatch(dying.pidfd.get());
  }
}

std::unique_ptr<Probe> ProgramRunner::Start(const ProbeRequest& request, ProbeDone done) {
  return std::make_unique<ProgramProbe>(this, request, std::move(done));
}

void ProgramRunner::Bury(pid_t pid, UniqueFd pidfd) {
  kill(-pid, SIGKILL);
  if (HasEnded(pid)) return;
  dying_[pid].pidfd = std::move(pidfd);
  AwaitEnd(pid);
}

bool ProgramRunner::TooManyDying() {
  if (dying_.size() < kMostDying) return false;
  // Some may have ended in this very turn of the loop.
  std::vector<pid_t> ended;
  for (const auto& [pid, dying] : dying_) {
    if (HasEnded(pid)) ended.push_back(pid);
  }
  for (const pid_t pid : ended) Forget(pid);
  return dying_.size() >= kMostDying;
}

void ProgramRunner::Forget(pid_t pid) {
  const Dying& dying = dying_.at(pid);
  loop_->Cancel(dying.timer);
  if (dying.pidfd.valid()) loop_->Unwatch(dying.pidfd.get());
  dying_.erase(pid);
}

void ProgramRunner::AwaitEnd(pid_t pid) {
  Dying& dying = dying_[pid];
  const int fd = dying.pidfd.get();
  const auto on_end = [this, pid](uint32_t) {
    HasEnded(pid);
    Forget(pid);
  };
  if (dying.pidfd.valid() && loop_->TryWatch(fd, EPOLLIN, on_end) == 0) return;
  // The loop must not wait for it.
  dying.timer = loop_->After(kLookInterval, [this, pid] {
    if (HasEnded(pid)) {
      dying_.erase(pid);
    } else {
      AwaitEnd(pid);
    }
  });
}

}  // namespace guideway
