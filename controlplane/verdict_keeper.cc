// See verdict_keeper.h.
#include "controlplane/verdict_keeper.h"

#include <limits>
#include <tuple>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "controlplane/report/problem.h"
#include "controlplane/state_file.h"
#include "glog/logging.h"
#include "lib/base/clock.h"
#include "lib/base/start_thread.h"

namespace guideway {
namespace {

constexpr char kFile[] = "health-verdicts";
constexpr char kTitle[] = "health-verdicts 1";
constexpr size_t kVerdictsOfStep = 100;
constexpr absl::Duration kRefresh = absl::Minutes(1);

absl::Status BadLine(size_t line) {
  return absl::InvalidArgumentError(absl::StrCat("line ", line, ": is no verdict"));
}

}  // namespace

VerdictClock VerdictClock::Now() {
  VerdictClock clock;
  clock.boot = BootId();
  if (clock.boot.empty()) clock.boot.assign(1, '-');
  clock.since_boot = BootClockNow();
  clock.wall = absl::Now();
  return clock;
}

std::string HealthToText(const KeptHealth& health, const VerdictClock& clock) {
  std::string text =
      absl::StrCat(kTitle, " ", clock.boot, " ", absl::ToInt64Seconds(clock.since_boot), " ",
                   absl::ToUnixSeconds(clock.wall), "\n");
  for (const Verdict& verdict : health.verdicts) {
    absl::StrAppend(&text, verdict.identity, verdict.healthy ? " healthy " : " unhealthy ",
                    absl::ToInt64Seconds(verdict.age), "\n");
  }
  for (const CommonFailures::AddressHold& hold : health.holds) {
    const char* word = hold.limited ? " limited " : hold.held ? " held " : " kept ";
    absl::StrAppend(&text, hold.address, word, absl::ToInt64Seconds(hold.left), "\n");
  }
  return text;
}

absl::StatusOr<KeptHealth> HealthFromText(const std::string& text, const VerdictClock& clock) {
  const std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
  if (lines.empty()) return BadLine(1);
  const std::vector<std::string> title = absl::StrSplit(lines[0], ' ');
  int64_t since_boot_s = 0, wall_s = 0;
  if (title.size() != 5 || absl::StrCat(title[0], " ", title[1]) != kTitle ||
      !absl::SimpleAtoi(title[3], &since_boot_s) || !absl::SimpleAtoi(title[4], &wall_s)) {
    return BadLine(1);
  }
  const bool same_boot = title[2] == clock.boot && clock.boot != "-";
  const absl::Duration passed = same_boot ? clock.since_boot - absl::Seconds(since_boot_s)
                                          : clock.wall - absl::FromUnixSeconds(wall_s);
  KeptHealth health;
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::vector<std::string> words = absl::StrSplit(lines[i], ' ');
    int64_t seconds = 0;
    if (words.size() != 3 || !absl::SimpleAtoi(words[2], &seconds) || seconds < 0) {
      return BadLine(i + 1);
    }
    const auto& [name, word] = std::tie(words[0], words[1]);
    const bool is_verdict = word == "healthy" || word == "unhealthy";
    if (!is_verdict && word != "held" && word != "kept" && word != "limited") {
      return BadLine(i + 1);
    }
    // A second is what rounding costs.
    if (passed < -absl::Seconds(1)) continue;
    if (is_verdict) {
      health.verdicts.push_back({name, word == "healthy", absl::Seconds(seconds) + passed});
    } else if (word == "held") {
      health.holds.push_back({.address = name, .held = true});
    } else if (word == "limited") {
      health.holds.push_back({.address = name, .limited = true});
    } else if (absl::Seconds(seconds) > passed) {
      health.holds.push_back({.address = name, .left = absl::Seconds(seconds) - passed});
    }
  }
  return health;
}

VerdictKeeper::VerdictKeeper(EventLoop* loop, std::string directory, Append append,
                             AppendHolds append_holds)
    : loop_(loop),
      directory_(std::move(directory)),
      append_(std::move(append)),
      append_holds_(std::move(append_holds)) {}

VerdictKeeper::~VerdictKeeper() {
  *alive_ = false;
  KeepNow();
}

void VerdictKeeper::KeepNow() {
  loop_->Cancel(timer_);
  if (writer_.joinable()) writer_.join();
  // Load() was not called, so nothing is to be kept; or it is kept already.
  if (std::exchange(due_, absl::InfiniteDuration()) == absl::InfiniteDuration()) return;
  constexpr size_t kAll = std::numeric_limits<size_t>::max();
  KeptHealth health;
  append_("", kAll, &health.verdicts);
  append_holds_("", kAll, &health.holds);
  const absl::Status written = WriteStateFile(directory_, kFile, absl::StrCat(kFile, ".new"),
                                              HealthToText(health, VerdictClock::Now()));
  LOG_IF(ERROR, !written.ok()) << "health verdicts are not kept: " << written.message();
}

KeptHealth VerdictKeeper::Load() {
  WriteIn(kRefresh);
  const auto text = ReadStateFile(directory_, kFile);
  if (absl::IsNotFound(text.status())) return {};
  absl::StatusOr<KeptHealth> health =
      text.ok() ? HealthFromText(*text, VerdictClock::Now()) : text.status();
  if (health.ok()) return *std::move(health);
  damage_ = absl::StrCat("health before the start is not known: ", directory_, "/", kFile, ": ",
                         std::string(health.status().message()));
  LOG(ERROR) << damage_;
  return {};
}

void VerdictKeeper::FillStatus(v1::GetStatusResponse* status) const {
  if (!damage_.empty()) AddProblem(ProblemKind::kStateDamaged, "", damage_, status);
  if (!problem_.empty()) AddProblem(ProblemKind::kStateNotKept, "", problem_, status);
}

void VerdictKeeper::WriteIn(absl::Duration delay) {
  const absl::Duration due = loop_->Now() + delay;
  if (timer_ != 0 && due_ <= due) return;
  loop_->Cancel(timer_);
  due_ = due;
  timer_ = loop_->After(delay, [this] {
    timer_ = 0;
    Write();
  });
}

void VerdictKeeper::Write() {
  if (writing_) {
    WriteIn(absl::Seconds(1));
    return;
  }
  writing_ = true;
  health_ = {};
  verdicts_are_in_ = false;
  after_.clear();
  clock_ = VerdictClock::Now();
  WriteIn(kRefresh);
  Collect();
}

void VerdictKeeper::Collect() {
  const absl::Duration end = loop_->Now() + EventLoop::kTurn;
  do {
    if (!verdicts_are_in_) {
      after_ = append_(after_, kVerdictsOfStep, &health_.verdicts);
      verdicts_are_in_ = after_.empty();
      continue;
    }
    after_ = append_holds_(after_, kVerdictsOfStep, &health_.holds);
    if (after_.empty()) {
      Hand();
      return;
    }
  } while (loop_->Now() < end);
  loop_->Post([this, alive = alive_] {
    if (*alive) Collect();
  });
}

// Over to the disk's thread.
void VerdictKeeper::Hand() {
  if (writer_.joinable()) writer_.join();  // has told, and ends
  const absl::Status started = StartThread(
      [this, alive = alive_, health = std::move(health_), clock = clock_] {
        const absl::Status status = WriteStateFile(directory_, kFile, absl::StrCat(kFile, ".new"),
                                                   HealthToText(health, clock));
        loop_->Post([this, alive, status] {
          if (*alive) OnWritten(status);
        });
      },
      &writer_);
  if (!started.ok()) OnWritten(started);  // the next time is as for a disk that was full
}

void VerdictKeeper::OnWritten(const absl::Status& status) {
  writing_ = false;
  if (status.ok()) damage_.clear();
  const std::string problem = status.ok()
                                  ? ""
                                  : absl::StrCat("health verdicts are not kept over a restart: ",
                                                 std::string(status.message()));
  LOG_IF(ERROR, problem != problem_ && !problem.empty()) << problem;
  problem_ = problem;
}

}  // namespace guideway
