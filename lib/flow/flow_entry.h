// What the flow table keeps of one flow: backend, state and when it times out.
//
// 16 bytes in memory that may outlive the process, in the byte order of the host: a change of
// FlowEntry or FlowState needs another layout version (flow_table_memory.cc).
//
// An entry says when it times out, not when its flow was last seen: whose timeouts hold for an
// entry in the way need not be known, so every VIP can have its own, and a changed timeout holds
// from the flow's next packet on. Times are seconds of a clock that goes on over a restart
// (CLOCK_BOOTTIME).
#ifndef GUIDEWAY_LIB_FLOW_FLOW_ENTRY_H_
#define GUIDEWAY_LIB_FLOW_FLOW_ENTRY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "lib/flow/flow_state.h"

namespace guideway {

// A backend's identity in tables and flows: index (low 16 bits) and incarnation (high 16 bits). The
// incarnation changes when the index is given to another backend, so a stale flow never matches.
using BackendId = uint32_t;
inline constexpr uint16_t BackendIndex(BackendId id) { return static_cast<uint16_t>(id); }
// What no backend has: its index is beyond all capacities.
inline constexpr BackendId kNoBackendId = 0xffffffff;

// A live entry, as somebody who only looks sees it.
struct FlowView {
  BackendId backend = 0;
  FlowState state = FlowState::kFree;
  uint32_t times_out_in_s = 0;
};

// Written by the worker, read by anyone. `expiry` is 0 while the other two change, so that neither
// a reader nor a restarted process takes half an entry for a flow.
struct FlowEntry {
  std::atomic<uint64_t> tag;      // flow hash; 0 = never used
  std::atomic<uint32_t> backend;  // BackendId
  std::atomic<uint32_t> expiry;   // state in the top 4 bits, when it times out in the low 28
};
static_assert(sizeof(FlowEntry) == 16);

}  // namespace guideway

#endif  // GUIDEWAY_LIB_FLOW_FLOW_ENTRY_H_
