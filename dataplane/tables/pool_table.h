// PoolTable: the private, checked copy of one pool's lookup table, and how it is used.
//
// Immutable once made, shared by every generation in which the pool did not change, and freed with
// the last of them. Thread safety: made and destroyed on the manager's thread; workers read the
// slots through a snapshot that keeps the table alive.
#ifndef GUIDEWAY_DATAPLANE_TABLES_POOL_TABLE_H_
#define GUIDEWAY_DATAPLANE_TABLES_POOL_TABLE_H_

#include <bitset>
#include <cstdint>
#include <memory>

#include "absl/types/span.h"
#include "dataplane/tables/shares.h"
#include "dataplane/tables/table_memory.h"
#include "lib/channel/messages.h"
#include "lib/channel/shared_memory.h"

namespace guideway {

using BackendSet = std::bitset<channel::kMaxBackends>;  // by backend index

class PoolTable {
 public:
  // Copies the slots that `body`, which has been checked, speaks of out of the arena. Then finds
  // what the copy refers to and, if the scheduler asks for it, who has which share. nullptr if
  // there is no memory.
  static std::shared_ptr<const PoolTable> Copy(const channel::ArenaView& arena,
                                               const channel::PoolBody& body, TableMemory* memory);
  ~PoolTable();
  PoolTable(const PoolTable&) = delete;
  PoolTable& operator=(const PoolTable&) = delete;

  absl::Span<const channel::MaglevSlot> slots() const { return {slots_, entries_}; }
  channel::Scheduler scheduler() const { return scheduler_; }
  const channel::Breaker& breaker() const { return breaker_; }
  // Whether a choice depends on more than the packet and the slots.
  bool keeps_state() const { return channel::KeepsState(scheduler_) || breaker_.limits(); }
  uint8_t source_bits_ipv4() const { return source_bits_ipv4_; }
  uint8_t source_bits_ipv6() const { return source_bits_ipv6_; }
  // Of a pool that keeps state: who gets new flows.
  absl::Span<const Candidate> candidates() const { return {candidates_, candidate_count_}; }
  // Of kWeightedRoundRobin: one round.
  absl::Span<const uint16_t> turns() const { return {turns_, turn_count_}; }
  // The backends that some slot names.
  const BackendSet& backends() const { return backends_; }
  // Whether some slot names an index that no backend can have, neither below kMaxBackends nor
  // kNoBackend; which one.
  bool has_impossible_backend() const { return impossible_backend_ != 0; }
  uint16_t impossible_backend() const { return impossible_backend_; }

 private:
  PoolTable(TableMemory* memory, channel::MaglevSlot* slots, const channel::PoolBody& body)
      : memory_(memory),
        slots_(slots),
        entries_(body.slot_count),
        scheduler_(body.scheduler),
        source_bits_ipv4_(body.source_bits_ipv4),
        source_bits_ipv6_(body.source_bits_ipv6),
        breaker_(body.breaker) {}
  void FindBackends();
  bool FindShares();

  TableMemory* const memory_;
  channel::MaglevSlot* const slots_;
  const uint32_t entries_;
  const channel::Scheduler scheduler_;
  const uint8_t source_bits_ipv4_;
  const uint8_t source_bits_ipv6_;
  const channel::Breaker breaker_;
  Candidate* candidates_ = nullptr;  // in a block of memory_ with the turns behind them
  uint32_t candidate_count_ = 0;
  uint16_t* turns_ = nullptr;
  uint32_t turn_count_ = 0;
  BackendSet backends_;
  uint16_t impossible_backend_ = 0;
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_TABLES_POOL_TABLE_H_
