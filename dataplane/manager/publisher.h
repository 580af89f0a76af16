// The publisher: hands the workers a new snapshot and frees the old one when nobody reads it.
//
// Manager thread only; workers read pointer() and report quiescent states to quiescence(). It never
// waits for ever: a worker may be stopped, and the manager has other things to do.
#ifndef GUIDEWAY_DATAPLANE_MANAGER_PUBLISHER_H_
#define GUIDEWAY_DATAPLANE_MANAGER_PUBLISHER_H_

#include <rte_rcu_qsbr.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "absl/time/time.h"
#include "dataplane/tables/snapshot_builder.h"

namespace guideway {

class Publisher {
 public:
  // `beat_of` gives a worker's last sign of life, Worker::beat_ns(). One that sleeps uses no
  // tables, but it is believed to take the new ones only if it has woken up of late. Null: always.
  explicit Publisher(uint32_t workers, std::function<uint64_t(uint32_t)> beat_of = nullptr);
  ~Publisher();
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  // Never null inside: before the first Publish() a snapshot of generation 0 is there.
  const std::atomic<const Snapshot*>* pointer() const { return &current_; }
  rte_rcu_qsbr* quiescence() { return quiescence_; }

  // One pointer store; returns when every worker has passed a quiescent point, or after `patience`.
  // Workers that do not run are not waited for. The former snapshot is kept until nobody uses it
  // and FreeFormer() or the next call: giving its memory back takes as long as the rest. Not while
  // Awaited().
  void Publish(std::unique_ptr<OwnedSnapshot> snapshot, absl::Duration patience);
  // Which worker may still use the former snapshot; none if nobody does.
  std::optional<uint32_t> Awaited();
  void FreeFormer();

 private:
  bool HasTaken(uint32_t worker) const;

  const uint32_t workers_;
  const std::function<uint64_t(uint32_t)> beat_of_;
  rte_rcu_qsbr* quiescence_ = nullptr;  // rte_malloc'ed
  bool awaiting_ = false;
  uint64_t token_ = 0;         // of the newest snapshot
  uint64_t published_ns_ = 0;  // when, CLOCK_BOOTTIME
  Snapshot empty_;
  std::unique_ptr<OwnedSnapshot> owned_, former_;
  alignas(kCacheLineBytes) std::atomic<const Snapshot*> current_;
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_MANAGER_PUBLISHER_H_
