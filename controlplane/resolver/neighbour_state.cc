// See neighbour_state.h.
#include "controlplane/resolver/neighbour_state.h"

#include <linux/neighbour.h>

namespace guideway {
namespace {

// What is not usable is asked for, with back-off; its last MAC address may still be kept.
constexpr NeighbourStateInfo kStates[] = {
    // state, name, usable, ask_if_old, may_doubt
    {NUD_NONE, "NONE", false, false, false},              // no entry
    {NUD_INCOMPLETE, "INCOMPLETE", false, false, false},  // the kernel asks and knows no address
    {NUD_REACHABLE, "REACHABLE", true, false, true},      // confirmed a short while ago
    // Confirmed once: the kernel would check it if it sent there, but it does not see our packets.
    {NUD_STALE, "STALE", true, true, true},
    {NUD_DELAY, "DELAY", true, false, false},     // the kernel checks it within seconds
    {NUD_PROBE, "PROBE", true, false, false},     // the kernel asks, the address is likely good
    {NUD_FAILED, "FAILED", false, false, false},  // asked in vain, or removed by hand
    {NUD_NOARP, "NOARP", true, false, false},     // set by hand or by nature: never asked
    {NUD_PERMANENT, "PERMANENT", true, false, false},  // set by hand: never asked
};

bool IsSetForGood(uint16_t state) { return (state & (NUD_PERMANENT | NUD_NOARP)) != 0; }

}  // namespace

absl::Span<const NeighbourStateInfo> NeighbourStates() { return kStates; }

const NeighbourStateInfo& InfoOfNeighbourState(uint16_t state) {
  for (const NeighbourStateInfo& info : kStates) {
    if (info.state == state) return info;
  }
  return kStates[0];
}

void NeighbourEntry::Take(const Neighbour& neighbour, bool deleted, absl::Duration now) {
  const uint16_t before = state_;
  state_ = deleted ? uint16_t{NUD_NONE} : neighbour.state;
  if (usable()) {
    if (neighbour.mac.IsZero()) return;
    mac_ = neighbour.mac;
    failed_ = false;
    keep_until_ = absl::InfiniteDuration();
    flushed_at_ = -absl::InfiniteDuration();
    return;
  }
  if (state_ != NUD_FAILED || mac_.IsZero()) {
    failed_ = failed_ || state_ == NUD_FAILED;
    return;
  }
  // From a state in which nobody was asked: it was flushed, or removed by hand.
  const bool flushed = InfoOfNeighbourState(before).usable && before != NUD_PROBE;
  if (flushed) {
    flushed_at_ = now;
    keep_until_ = now + kKeepFlushed;
  } else if (now - flushed_at_ >= kShortestAsking) {
    GiveUp();
  }
}

void NeighbourEntry::Forget() {
  if (!IsSetForGood(state_)) state_ = NUD_NONE;
}

bool NeighbourEntry::Expire(absl::Duration now) {
  if (usable() || now < keep_until()) return false;
  GiveUp();
  return true;
}

void NeighbourEntry::GiveUp() {
  mac_ = MacAddress{};
  failed_ = true;
  keep_until_ = absl::InfiniteDuration();
}

}  // namespace guideway
