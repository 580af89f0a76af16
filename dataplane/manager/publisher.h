// The publisher: hands the workers a new snapshot and frees the old one when nobody reads it.
//
// Manager thread only; workers read pointer() and report quiescent states to quiescence().
#ifndef GUIDEWAY_DATAPLANE_MANAGER_PUBLISHER_H_
#define GUIDEWAY_DATAPLANE_MANAGER_PUBLISHER_H_

#include <rte_rcu_qsbr.h>

#include <atomic>
#include <cstdint>
#include <memory>

#include "dataplane/tables/snapshot_builder.h"

namespace guideway {

class Publisher {
 public:
  explicit Publisher(uint32_t workers);
  ~Publisher();
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  // Never null inside: before the first Publish() a snapshot of generation 0 is there.
  const std::atomic<const Snapshot*>* pointer() const { return &current_; }
  rte_rcu_qsbr* quiescence() { return quiescence_; }

  // One pointer store; returns when every worker has passed a quiescent point. Workers that do not
  // run are not waited for. The former snapshot, which nobody uses any more, is kept until
  // FreeFormer() or the next call: giving its memory back takes as long as the rest.
  void Publish(std::unique_ptr<OwnedSnapshot> snapshot);
  void FreeFormer() { former_.reset(); }

 private:
  rte_rcu_qsbr* quiescence_ = nullptr;  // rte_malloc'ed
  Snapshot empty_;
  std::unique_ptr<OwnedSnapshot> owned_, former_;
  alignas(kCacheLineBytes) std::atomic<const Snapshot*> current_;
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_MANAGER_PUBLISHER_H_
