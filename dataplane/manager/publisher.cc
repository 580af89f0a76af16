#include "dataplane/manager/publisher.h"

#include <glog/logging.h>
#include <rte_malloc.h>

#include <ctime>
#include <utility>

namespace guideway {

Publisher::Publisher(uint32_t workers) : current_(&empty_) {
  const size_t bytes = rte_rcu_qsbr_get_memsize(workers);
  quiescence_ = static_cast<rte_rcu_qsbr*>(rte_zmalloc("quiescence", bytes, RTE_CACHE_LINE_SIZE));
  CHECK(quiescence_ != nullptr) << "no memory for " << workers << " workers' quiescent states";
  CHECK_EQ(rte_rcu_qsbr_init(quiescence_, workers), 0);
}

Publisher::~Publisher() { rte_free(quiescence_); }

void Publisher::Publish(std::unique_ptr<OwnedSnapshot> snapshot) {
  constexpr long kPauseNs = 5'000;
  current_.store(snapshot->get(), std::memory_order_release);
  const uint64_t token = rte_rcu_qsbr_start(quiescence_);
  // Polled with short pauses, not spun on: on a small machine the worker may need this CPU.
  while (rte_rcu_qsbr_check(quiescence_, token, /*wait=*/false) == 0) {
    const timespec pause{.tv_sec = 0, .tv_nsec = kPauseNs};
    nanosleep(&pause, nullptr);
  }
  former_ = std::exchange(owned_, std::move(snapshot));
}

}  // namespace guideway
