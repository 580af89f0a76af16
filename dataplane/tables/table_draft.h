// TableDraft: applies the channel's requests, all or nothing; the last good tables stay.
//
//            kBegin                          refused message
//   idle ------------> open (draft grows) -------------------> broken
//     ^                  |        |                              |  |  kBegin -> open
//     +-- kCommit ok ----+        +---- kAbort ----> idle <------+--+  (anything else: refused)
//
// Each request gets one response, which names the refused field and its value. Fields are checked
// against their range at once, references and duplicates at kCommit. A pool's table is copied out
// of the arena first and the copy is checked. kAbort always succeeds, deleting what does not exist
// too. Setting an index again replaces it. A full transaction needs kSetGlobals.
// Thread safety: none; the manager's thread only.
#ifndef GUIDEWAY_DATAPLANE_TABLES_TABLE_DRAFT_H_
#define GUIDEWAY_DATAPLANE_TABLES_TABLE_DRAFT_H_

#include <cstdint>
#include <functional>
#include <optional>

#include "absl/status/status.h"
#include "dataplane/tables/request_check.h"
#include "dataplane/tables/table_memory.h"
#include "dataplane/tables/table_state.h"
#include "lib/channel/messages.h"
#include "lib/channel/shared_memory.h"

namespace guideway {

class TableDraft {
 public:
  // Puts checked tables in force: builds and publishes their snapshot. Called within
  // Apply(kCommit); an error leaves the old tables in force and is answered as kNoMemory.
  using Publish = std::function<absl::Status(const TableState& tables)>;

  // `memory` is borrowed, for pool tables. Next hops may use ports 0..port_count - 1.
  TableDraft(TableMemory* memory, uint32_t port_count, Publish publish);

  // Applies a request, which must be a private copy. kReadCounters outside a transaction is
  // answered kOk, kLookupFlow with a good body as well: the caller writes what was asked for before
  // it sends that.
  channel::Response Apply(const channel::Request& request, const channel::ArenaView& arena);

  // As kAbort: for a control plane that is gone.
  void Abort();
  // Outside a transaction, when there is time: does the part of the next kBegin that does not
  // depend on it, so that it is answered sooner.
  void Prepare();

  // A worker still uses the tables before those committed last: until Settle() kBegin and
  // kAwaitCommit are answered with kNotTaken and its number, and so is the kCommit itself if this
  // is called within Publish.
  void AwaitWorker(uint32_t worker) { awaited_worker_ = worker; }
  void Settle();
  bool awaits_worker() const { return awaited_worker_.has_value(); }

  // The tables in force.
  const TableState& committed() const { return committed_; }
  bool in_transaction() const { return phase_ != Phase::kIdle; }

 private:
  enum class Phase : uint8_t { kIdle, kOpen, kBroken };

  Refusal Dispatch(const channel::Request& request, const channel::ArenaView& arena);
  Refusal Begin(const channel::BeginBody& body);
  Refusal Change(const channel::Request& request, const channel::ArenaView& arena);
  Refusal SetPool(const channel::PoolBody& body, const channel::ArenaView& arena);
  Refusal Delete(channel::MessageType type, uint32_t index);
  Refusal Commit(uint64_t generation);
  void ClearDraft();

  // Ok with the time, or who has not taken the tables committed last.
  Refusal Taken() const;

  TableMemory* const memory_;
  const uint32_t port_count_;
  const Publish publish_;
  Phase phase_ = Phase::kIdle;
  TableState committed_;
  TableState draft_;
  std::optional<uint32_t> awaited_worker_;
  uint64_t in_force_ns_ = 0;  // when the last worker took committed_, CLOCK_MONOTONIC
  bool prepared_ = false;     // draft_ is a copy of committed_
  // Pools of the draft whose references must be checked at commit: the changed ones, or all once a
  // backend was deleted.
  PoolSet unchecked_pools_;
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_TABLES_TABLE_DRAFT_H_
