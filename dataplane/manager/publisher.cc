#include "dataplane/manager/publisher.h"

#include <glog/logging.h>
#include <rte_malloc.h>

#include <ctime>
#include <utility>

#include "dataplane/worker/worker.h"
#include "lib/base/clock.h"

namespace guideway {
namespace {

uint64_t BootTimeNs() { return static_cast<uint64_t>(absl::ToInt64Nanoseconds(BootClockNow())); }

}  // namespace

Publisher::Publisher(uint32_t workers, std::function<uint64_t(uint32_t)> beat_of)
    : workers_(workers), beat_of_(std::move(beat_of)), current_(&empty_) {
  const size_t bytes = rte_rcu_qsbr_get_memsize(workers);
  quiescence_ = static_cast<rte_rcu_qsbr*>(rte_zmalloc("quiescence", bytes, RTE_CACHE_LINE_SIZE));
  CHECK(quiescence_ != nullptr) << "no memory for " << workers << " workers' quiescent states";
  CHECK_EQ(rte_rcu_qsbr_init(quiescence_, workers), 0);
}

Publisher::~Publisher() { rte_free(quiescence_); }

void Publisher::Publish(std::unique_ptr<OwnedSnapshot> snapshot, absl::Duration patience) {
  constexpr long kPauseNs = 5'000;
  CHECK(!awaiting_) << "tables were published that a worker has not taken";
  current_.store(snapshot->get(), std::memory_order_release);
  token_ = rte_rcu_qsbr_start(quiescence_);
  published_ns_ = BootTimeNs();
  awaiting_ = true;
  former_ = std::exchange(owned_, std::move(snapshot));
  const uint64_t end_ns = published_ns_ + static_cast<uint64_t>(absl::ToInt64Nanoseconds(patience));
  // Polled with short pauses, not spun on: on a small machine the worker may need this CPU.
  while (Awaited() && BootTimeNs() < end_ns) {
    const timespec pause{.tv_sec = 0, .tv_nsec = kPauseNs};
    nanosleep(&pause, nullptr);
  }
}

bool Publisher::HasTaken(uint32_t worker) const {
  const uint64_t count = __atomic_load_n(&quiescence_->qsbr_cnt[worker].cnt, __ATOMIC_ACQUIRE);
  if (count != __RTE_QSBR_CNT_THR_OFFLINE) return count >= token_;
  if (!beat_of_) return true;
  const uint64_t beat_ns = beat_of_(worker);
  return beat_ns == 0 || beat_ns + Worker::kBeatPauseNs >= published_ns_;
}

std::optional<uint32_t> Publisher::Awaited() {
  if (!awaiting_) return std::nullopt;
  for (uint32_t worker = 0; worker < workers_; ++worker) {
    if (!HasTaken(worker)) return worker;
  }
  awaiting_ = false;
  return std::nullopt;
}

void Publisher::FreeFormer() {
  if (!Awaited()) former_.reset();
}

}  // namespace guideway
