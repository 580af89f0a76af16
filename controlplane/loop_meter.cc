// See loop_meter.h.
#include "controlplane/loop_meter.h"

#include <algorithm>
#include <cstring>
#include <ctime>
#include <set>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"

namespace guideway {
namespace {

// Reading a thread's processor time is a system call: not for every turn.
constexpr absl::Duration kProcessorAge = absl::Milliseconds(1);
constexpr absl::Duration kMinute = absl::Minutes(1);
constexpr absl::Duration kLogInterval = absl::Seconds(10);
// Turns that are too slow in so many of so many seconds are a problem; one alone is a hiccup.
constexpr absl::Duration kLasting = absl::Seconds(10);
constexpr size_t kSlowSeconds = 3;
constexpr size_t kMostSlow = 1024;

std::string NameOf(const char* work) {
  const char* slash = strrchr(work, '/');
  const char* name = slash != nullptr ? slash + 1 : work;
  const char* dot = strrchr(name, '.');
  return dot != nullptr ? std::string(name, dot) : std::string(name);
}

double Milliseconds(absl::Duration duration) {
  return static_cast<double>(absl::ToInt64Microseconds(duration)) / 1000;
}

}  // namespace

absl::Duration LoopMeter::ReadProcessor(absl::Duration now) {
  timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  processor_at_ = now;
  return processor_ = absl::DurationFromTimespec(used);
}

void LoopMeter::Begin(absl::Duration now) {
  if (now - processor_at_ >= kProcessorAge) ReadProcessor(now);
}

void LoopMeter::End(const char* work, absl::Duration begin, absl::Duration now) {
  const absl::Duration took = now - begin;
  turns_.Add(absl::ToDoubleSeconds(took));
  if (now - minute_began_ >= kMinute) Rotate(now);
  Work& of = work_[work];
  ++of.turns;
  of.total += took;
  of.longest = std::max(of.longest, took);
  of.recent = std::max(of.recent, took);
  if (took < kProcessorAge) return;
  const absl::Duration before = processor_;
  const absl::Duration processor = std::min(took, ReadProcessor(now) - before);
  of.longest_processor = std::max(of.longest_processor, processor);
  if (took >= kSlow) OnSlow(work, took, processor, now);
}

void LoopMeter::OnSlow(const char* work, absl::Duration took, absl::Duration processor,
                       absl::Duration now) {
  if (took >= kTooSlow) slow_.push_back({now, took, work});
  while (!slow_.empty() && (slow_.size() > kMostSlow || slow_.front().at < now - kLasting)) {
    slow_.pop_front();
  }
  if (!logs_) return;
  if (now - logged_at_ < kLogInterval) {
    ++not_logged_;
    return;
  }
  LOG(WARNING) << "event loop: " << NameOf(work) << " took " << Milliseconds(took) << " ms ("
               << Milliseconds(processor) << " ms of the processor)"
               << (not_logged_ > 0
                       ? absl::StrCat("; ", not_logged_, " slow turns before were not logged")
                       : "");
  logged_at_ = now;
  not_logged_ = 0;
}

void LoopMeter::Rotate(absl::Duration now) {
  const bool long_ago = now - minute_began_ >= 2 * kMinute;
  for (auto& [name, work] : work_) {
    work.before = long_ago ? absl::ZeroDuration() : work.recent;
    work.recent = absl::ZeroDuration();
  }
  minute_began_ = now;
}

std::map<std::string, LoopMeter::Work> LoopMeter::ByWork() const {
  std::map<std::string, Work> named;
  for (const auto& [literal, work] : work_) {  // one name may have several literals
    Work& into = named[NameOf(literal)];
    into.turns += work.turns;
    into.total += work.total;
    into.longest = std::max(into.longest, work.longest);
    into.longest_processor = std::max(into.longest_processor, work.longest_processor);
    into.recent = std::max(into.recent, work.recent);
    into.before = std::max(into.before, work.before);
  }
  return named;
}

std::string LoopMeter::Problem(absl::Duration now) const {
  std::set<int64_t> seconds;
  const SlowTurn* longest = nullptr;
  for (const SlowTurn& turn : slow_) {
    if (turn.at < now - kLasting) continue;
    seconds.insert(absl::ToInt64Seconds(turn.at));
    if (longest == nullptr || turn.took > longest->took) longest = &turn;
  }
  if (seconds.size() < kSlowSeconds) return "";
  return absl::StrCat("everything waits for more than ", absl::ToInt64Milliseconds(kTooSlow),
                      " ms again and again, longest for ", NameOf(longest->work));
}

void LoopMeter::Reset() { work_.clear(); }

}  // namespace guideway
