// What status and metrics say of the store, for any thread at any time.
//
// The store belongs to a thread that may be busy with a large change, or with a slow disk, for
// long; whoever asks for the status does not wait for that. Thread safety: Refresh() on the store's
// thread; all else on any.
#ifndef GUIDEWAY_CONTROLPLANE_STORE_VIEW_H_
#define GUIDEWAY_CONTROLPLANE_STORE_VIEW_H_

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "controlplane/api/guideway_service.pb.h"
#include "controlplane/config_store.h"
#include "controlplane/report/problem_kind.h"

namespace guideway {

class StoreView {
 public:
  // Takes what the store says now; its problems as ConfigStore::Problems(), which tries again what
  // could not be written. `more`: problems of others that share the thread.
  void Refresh(ConfigStore* store, std::vector<ProblemNote> more = {});
  // What the last Refresh() has found.
  void Fill(v1::GetStatusResponse* status) const;
  // A refresh may find that they are over.
  bool has_problems() const;

 private:
  mutable std::mutex mutex_;  // guards all below
  uint64_t version_ = 0;
  std::string source_;
  std::vector<ProblemNote> problems_;
  std::optional<absl::Time> confirm_by_;
  uint64_t rollback_to_ = 0;
  std::string last_rollback_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_STORE_VIEW_H_
