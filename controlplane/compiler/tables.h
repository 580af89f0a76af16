// The data plane's tables as the control plane holds them, and the difference between two of them.
//
// Copies share what they have in common, so they cost little. Thread safety: values; a pool's slots
// are shared and immutable.
#ifndef GUIDEWAY_CONTROLPLANE_COMPILER_TABLES_H_
#define GUIDEWAY_CONTROLPLANE_COMPILER_TABLES_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "controlplane/compiler/index_map.h"
#include "lib/channel/messages.h"

namespace guideway {

using PoolSlots = std::shared_ptr<const std::vector<channel::MaglevSlot>>;

// A pool's slots and how they are used; see channel::PoolBody.
struct PoolEntry {
  PoolSlots slots;
  channel::Scheduler scheduler = channel::Scheduler::kMaglev;
  uint8_t source_bits_ipv4 = 0;
  uint8_t source_bits_ipv6 = 0;
  channel::Breaker breaker = {};
};

// All keyed by index.
struct Tables {
  channel::GlobalsBody globals = {};
  IndexMap<channel::VipBody> vips;
  IndexMap<PoolEntry> pools;
  IndexMap<channel::BackendBody> backends;
  IndexMap<channel::NextHopBody> next_hops;
  IndexMap<channel::QuicLbBody> quic_lbs;
};

// One message of a transaction. A kSetPool's arena_slot is the sender's to fill in; its slots go
// there.
struct TableChange {
  channel::Request request;
  PoolSlots slots;
};

// The same bit by bit, as Difference(): whoever sends them needs no memory for all, and no time to
// make them all at once.
class TableDifference {
 public:
  // Both outlive it.
  TableDifference(const Tables* from, const Tables* to) : from_(from), to_(to) {}
  // Appends the next few; false: there are no more.
  bool Step(std::deque<TableChange>* changes);

 private:
  enum class Part : uint8_t {
    kGlobals,
    kNextHops,
    kBackends,
    kPools,
    kVips,
    kQuicLbs,
    kOldQuicLbs,
    kOldVips,
    kOldPools,
    kOldBackends,
    kOldNextHops,
    kDone,
  };
  // Part `next` of the map that is at hand; false: it has none.
  bool Append(size_t next, std::deque<TableChange>* changes) const;

  const Tables* const from_;
  const Tables* const to_;
  Part part_ = Part::kGlobals;
  size_t next_ = 0;  // of the part's own parts
};

// The kSet and kDelete messages that lead from `from` to `to` and no more; what is referred to is
// set before and deleted after what refers to it. `from` null: everything, for a full transaction.
std::vector<TableChange> Difference(const Tables* from, const Tables& to);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_COMPILER_TABLES_H_
