// What the flow table keeps of one flow: backend, state and when it times out.
//
// 16 bytes in memory that may outlive the process, in the byte order of the host: a change of
// FlowEntry or FlowState needs another layout version (flow_table_memory.cc). Times are seconds.
#ifndef GUIDEWAY_LIB_FLOW_FLOW_ENTRY_H_
#define GUIDEWAY_LIB_FLOW_FLOW_ENTRY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace guideway {

// A backend's identity in tables and flows: index (low 16 bits) and incarnation (high 16 bits). The
// incarnation changes when the index is given to another backend, so a stale flow never matches.
using BackendId = uint32_t;
inline constexpr uint16_t BackendIndex(BackendId id) { return static_cast<uint16_t>(id); }
// What no backend has: its index is beyond all capacities.
inline constexpr BackendId kNoBackendId = 0xffffffff;

// What the packets of the client say of a flow; the backend's answers are not seen.
enum class FlowState : uint8_t {
  kFree = 0,
  kHalfOpen = 1,     // TCP: a SYN, and nothing after it
  kEstablished = 2,  // TCP: a packet after the SYN, or two without one
  kClosing = 3,      // TCP: a FIN or RST
  kUdp = 4,          // UDP: two packets
  kPickedUp = 5,     // TCP: one packet, without a SYN before it
  kUdpFirst = 6,     // UDP: one packet
};

// Idle times after which a flow's entry may be reused: 1 s to kMaxSeconds.
struct FlowTimeouts {
  static constexpr uint32_t kMaxSeconds = 1 << 20;

  uint32_t half_open_s = 30;
  uint32_t established_s = 3600;
  uint32_t closing_s = 30;
  uint32_t udp_s = 120;

  // Two loads, no branch.
  uint32_t Of(FlowState state) const { return this->*kByState[static_cast<size_t>(state) % 8]; }

 private:
  static constexpr uint32_t FlowTimeouts::*kByState[8] = {
      &FlowTimeouts::closing_s, &FlowTimeouts::half_open_s, &FlowTimeouts::established_s,
      &FlowTimeouts::closing_s, &FlowTimeouts::udp_s,       &FlowTimeouts::established_s,
      &FlowTimeouts::udp_s,     &FlowTimeouts::closing_s};
};

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
