// What is made of a neighbour's state in the kernel: whether its MAC address may be used, and
// whether the kernel is asked to resolve it. The one list of states is in the .cc file.
//
// A MAC address that was good stays in use while the kernel asks again: a flushed or dropped entry
// does not make it wrong. It goes when the kernel has asked in vain, or when nothing has been heard
// for kKeepFlushed since the entry was flushed. An entry that the kernel merely dropped (garbage
// collection, its table is full) is kept without limit: it never said that anything was wrong.
// Thread safety: values. Times are monotonic.
#ifndef GUIDEWAY_CONTROLPLANE_RESOLVER_NEIGHBOUR_STATE_H_
#define GUIDEWAY_CONTROLPLANE_RESOLVER_NEIGHBOUR_STATE_H_

#include <cstdint>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "controlplane/resolver/netlink_messages.h"
#include "lib/net/address.h"

namespace guideway {

struct NeighbourStateInfo {
  uint16_t state;  // one of NUD_* of linux/neighbour.h
  const char* name;
  bool usable;      // the kernel's MAC address is good
  bool ask_if_old;  // nobody confirms it: to be asked now and then
  bool may_doubt;   // asking again is worth it when something suggests that it is gone
};
// All states there are.
absl::Span<const NeighbourStateInfo> NeighbourStates();
// Of a state that is not on the list: as NUD_NONE.
const NeighbourStateInfo& InfoOfNeighbourState(uint16_t state);

class NeighbourEntry {
 public:
  // The kernel asks three times, a second apart; then it says so itself.
  static constexpr absl::Duration kKeepFlushed = absl::Seconds(5);
  // A failure sooner after a flush is another flush: nobody has been asked for so short a time.
  static constexpr absl::Duration kShortestAsking = absl::Milliseconds(500);

  // What the kernel says. `deleted`: the entry is no more.
  void Take(const Neighbour& neighbour, bool deleted, absl::Duration now);
  // Its link is gone, or it may have changed while nobody listened: what the kernel says next
  // counts, and the MAC address stays until then. Of no concern to permanent entries.
  void Forget();
  // Gives up a MAC address that was kept long enough; true if so.
  bool Expire(absl::Duration now);

  uint16_t state() const { return state_; }  // NUD_*; 0: the kernel has none
  bool usable() const { return InfoOfNeighbourState(state_).usable; }
  const MacAddress& mac() const { return mac_; }  // zero: none may be used
  bool failed() const { return failed_; }         // asked in vain since it was usable last
  // When Expire() is due; InfiniteDuration(): never.
  absl::Duration keep_until() const {
    return mac_.IsZero() ? absl::InfiniteDuration() : keep_until_;
  }

 private:
  void GiveUp();

  uint16_t state_ = 0;
  MacAddress mac_;
  bool failed_ = false;
  absl::Duration flushed_at_ = -absl::InfiniteDuration();
  absl::Duration keep_until_ = absl::InfiniteDuration();
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_RESOLVER_NEIGHBOUR_STATE_H_
