// The states of a flow and what its packets make of them: one table, kNextStates.
//
// Only the client's packets are seen. So a FIN ends one side: the backend may go on sending, and
// the client's ACKs of that keep the flow. A RST may be a stray or a forged one, which the client's
// own packets show: they bring the flow back to what it was.
//
// HOT PATH: no allocation, lock, log, system call or exception. Pure functions.
#ifndef GUIDEWAY_LIB_FLOW_FLOW_STATE_H_
#define GUIDEWAY_LIB_FLOW_FLOW_STATE_H_

#include <cstddef>
#include <cstdint>

namespace guideway {

// In memory that may outlive the process: another meaning needs another layout version
// (flow_table_memory.cc).
enum class FlowState : uint8_t {
  kFree = 0,
  kHalfOpen = 1,          // TCP: a SYN, and nothing after it
  kClosing = 2,           // TCP: a RST, and no FIN before it
  kPickedUp = 3,          // TCP: one packet, without a SYN before it; any: given back
  kUdpFirst = 4,          // UDP: one packet
  kHalfClosed = 5,        // TCP: a FIN; the backend's side may be open
  kHalfClosedEnding = 6,  // TCP: a RST after a FIN, or a FIN and no packet before it
  kTakenOver = 7,  // any: another worker's table has it now; found again only if that lost it
  // From here on it must stay, which one comparison tells (flow_rank.h).
  kEstablished = 8,  // TCP: a packet after the SYN, or two without one
  kUdp = 9,          // UDP: two packets
  kRevived = 10,     // TCP: established again, after a FIN or RST that was none of the client's
};
inline constexpr size_t kFlowStates = 11;

// What a packet is to a flow's state.
enum class FlowEvent : uint8_t {
  kSyn,   // without ACK
  kAck,   // no payload, and none of the others
  kData,  // payload
  kFin,   // with or without payload
  kRst,   // with or without FIN
  kUdp,
};
inline constexpr size_t kFlowEvents = 6;

namespace flow_state_table {

inline constexpr FlowState kNone = FlowState::kFree, kOpening = FlowState::kHalfOpen,
                           kOpen = FlowState::kEstablished, kReset = FlowState::kClosing,
                           kUdp = FlowState::kUdp, kFirst = FlowState::kPickedUp,
                           kUdpFirst = FlowState::kUdpFirst, kHalf = FlowState::kHalfClosed,
                           kEnding = FlowState::kHalfClosedEnding, kAgain = FlowState::kRevived;

// By state and event: the state of the flow after the packet. kFree: the flow is not entered; or no
// such packet comes, as a flow has one protocol. A SYN: as long as the flow keeps its backend.
inline constexpr FlowState kNextStates[kFlowStates][kFlowEvents] = {
    //                      SYN       ACK     data    FIN      RST      UDP
    /* unknown */ {kOpening, kFirst, kFirst, kEnding, kNone, kUdpFirst},
    /* half-open */ {kOpening, kOpen, kOpen, kHalf, kReset, kNone},
    /* closing */ {kOpening, kAgain, kAgain, kHalf, kReset, kNone},
    /* picked up */ {kOpening, kOpen, kOpen, kHalf, kReset, kUdp},
    /* udp, first */ {kNone, kNone, kNone, kNone, kNone, kUdp},
    /* half-closed */ {kOpening, kHalf, kAgain, kHalf, kEnding, kNone},
    /* half-closed, ending */ {kOpening, kHalf, kAgain, kHalf, kEnding, kNone},
    /* taken over */ {kOpening, kOpen, kOpen, kHalf, kNone, kUdp},
    /* established */ {kOpen, kOpen, kOpen, kHalf, kReset, kNone},
    /* udp */ {kNone, kNone, kNone, kNone, kNone, kUdp},
    /* revived */ {kAgain, kAgain, kAgain, kHalf, kReset, kNone},
};

}  // namespace flow_state_table

constexpr FlowState NextFlowState(FlowState before, FlowEvent event) {
  const auto row = static_cast<size_t>(before);
  // Memory of another process may hold any number.
  return flow_state_table::kNextStates[row < kFlowStates ? row : 0][static_cast<size_t>(event)];
}

// A flow's client is counted once as one that reset it, and not after its FIN.
constexpr bool CountsAsReset(FlowState before, FlowEvent event) {
  return event == FlowEvent::kRst &&
         (before == FlowState::kHalfOpen || before == FlowState::kEstablished ||
          before == FlowState::kPickedUp);
}

// A live flow in such a state is never overwritten. It takes two packets.
constexpr bool MustStay(FlowState state) { return state >= FlowState::kEstablished; }

// A new flow that enters so may move others to make room. One that begins or ends moves nobody:
// what it is worth is seen at its next packet.
constexpr bool MayMoveOthers(FlowState entered) {
  return MustStay(entered) || entered == FlowState::kPickedUp || entered == FlowState::kUdpFirst;
}

// Idle times after which a flow's entry may be reused: 1 s to kMaxSeconds.
struct FlowTimeouts {
  static constexpr uint32_t kMaxSeconds = 1 << 20;

  uint32_t half_open_s = 30;
  uint32_t established_s = 3600;
  uint32_t closing_s = 30;
  uint32_t udp_s = 120;
  uint32_t half_closed_s = 120;

  // Two loads, no branch.
  uint32_t Of(FlowState state) const { return this->*kByState[static_cast<size_t>(state) % 16]; }

 private:
  static constexpr uint32_t FlowTimeouts::*kByState[16] = {
      &FlowTimeouts::closing_s,      // free
      &FlowTimeouts::half_open_s,    // half-open
      &FlowTimeouts::closing_s,      // closing
      &FlowTimeouts::established_s,  // picked up
      &FlowTimeouts::udp_s,          // udp, first
      &FlowTimeouts::half_closed_s,  // half-closed
      &FlowTimeouts::closing_s,      // half-closed, ending
      &FlowTimeouts::closing_s,      // taken over: keeps the time it had
      &FlowTimeouts::established_s,  // established
      &FlowTimeouts::udp_s,          // udp
      &FlowTimeouts::established_s,  // revived
      &FlowTimeouts::closing_s,     &FlowTimeouts::closing_s, &FlowTimeouts::closing_s,
      &FlowTimeouts::closing_s,     &FlowTimeouts::closing_s};
};

}  // namespace guideway

#endif  // GUIDEWAY_LIB_FLOW_FLOW_STATE_H_
