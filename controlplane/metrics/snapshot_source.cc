#include "controlplane/metrics/snapshot_source.h"

#include <algorithm>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "controlplane/report/verdict.h"

namespace guideway {

struct SnapshotSource::Shared : std::enable_shared_from_this<Shared> {
  Shared(EventLoop* event_loop, WatchHooks watch_hooks)
      : loop(event_loop), hooks(std::move(watch_hooks)) {}

  bool IsStopped() {
    absl::MutexLock lock(&mutex);
    return stopped;
  }
  // One turn of the loop: what it took counts.
  void Turn(const std::function<void()>& work) {
    const absl::Duration begin = loop->Now();
    work();
    if (taking) taking->longest_turn = std::max(taking->longest_turn, loop->Now() - begin);
  }
  void Begin();
  void Continue();
  void Finish();

  EventLoop* const loop;
  const WatchHooks hooks;

  // Loop thread.
  std::shared_ptr<WatchSnapshot> taking;
  StateCursor cursor;

  absl::Mutex mutex;
  bool stopped ABSL_GUARDED_BY(mutex) = false;
  bool asked ABSL_GUARDED_BY(mutex) = false;  // a snapshot is being taken
  uint64_t taken ABSL_GUARDED_BY(mutex) = 0;  // so many so far
  std::shared_ptr<const WatchSnapshot> newest ABSL_GUARDED_BY(mutex);
  absl::Duration newest_at ABSL_GUARDED_BY(mutex);
};

void SnapshotSource::Shared::Begin() {
  if (IsStopped()) return;
  taking = std::make_shared<WatchSnapshot>();
  cursor = StateCursor{};
  Turn([this] {
    hooks.read_totals([self = shared_from_this()](absl::StatusOr<v1::GetStatsResponse> stats) {
      if (self->IsStopped()) return;
      self->taking->has_stats = stats.ok();
      if (stats.ok()) self->taking->stats = *std::move(stats);
      self->loop->Post([self] { self->Continue(); });
    });
  });
}

void SnapshotSource::Shared::Continue() {
  if (IsStopped()) return;
  bool all = false;
  Turn([&] { all = hooks.fill_state_part(kItemsPerTurn, &cursor, taking->state); });
  if (!all) {
    loop->Post([self = shared_from_this()] { self->Continue(); });
    return;
  }
  Turn([this] {
    hooks.fill_status(&taking->status);
    hooks.fill_observations(&taking->observations);
  });
  Finish();
}

void SnapshotSource::Shared::Finish() {
  Turn([this] { CompleteVerdict(*taking->state, &taking->status); });
  taking->taken_at = absl::Now();
  absl::MutexLock lock(&mutex);
  newest = std::move(taking);
  newest_at = loop->Now();
  ++taken;
  asked = false;
}

SnapshotSource::SnapshotSource(EventLoop* loop, WatchHooks hooks)
    : shared_(std::make_shared<Shared>(loop, std::move(hooks))) {}

SnapshotSource::~SnapshotSource() { Stop(); }

std::shared_ptr<const WatchSnapshot> SnapshotSource::Get() {
  Shared& shared = *shared_;
  std::shared_ptr<const WatchSnapshot> stale;  // freed here, not by the loop, which has no time
  absl::MutexLock lock(&shared.mutex);
  if (shared.stopped) return nullptr;
  if (shared.newest && shared.loop->Now() - shared.newest_at < kFreshFor) return shared.newest;
  stale = std::move(shared.newest);
  if (!shared.asked) {
    shared.asked = true;
    shared.loop->Post([self = shared_] { self->Begin(); });
  }
  const uint64_t before = shared.taken;
  const auto done = [&shared, before]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return shared.stopped || (shared.taken != before && shared.newest != nullptr);
  };
  if (!shared.mutex.AwaitWithTimeout(absl::Condition(&done), kPatience)) return nullptr;
  return shared.stopped ? nullptr : shared.newest;
}

void SnapshotSource::Stop() {
  absl::MutexLock lock(&shared_->mutex);
  shared_->stopped = true;
}

}  // namespace guideway
