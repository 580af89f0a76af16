// The data plane's tables as the control plane holds them, and the difference between two of them.
//
// Copies share what they have in common, so they cost little. Thread safety: values; a pool's slots
// are shared and immutable.
#ifndef GUIDEWAY_CONTROLPLANE_COMPILER_TABLES_H_
#define GUIDEWAY_CONTROLPLANE_COMPILER_TABLES_H_

#include <cstdint>
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

// The kSet and kDelete messages that lead from `from` to `to` and no more; what is referred to is
// set before and deleted after what refers to it. `from` null: everything, for a full transaction.
std::vector<TableChange> Difference(const Tables* from, const Tables& to);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_COMPILER_TABLES_H_
