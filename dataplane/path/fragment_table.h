// FragmentTable: what one worker knows about datagrams that come in fragments.
//
// Decisions: where the first fragment of a datagram went, for those that follow it. Fixed size, set
// associative; a decision ends kLifetimeMs after its first fragment, or when its set is full and it
// is the oldest there. Waiting fragments: those that came before the first; at most kWaiting, none
// longer than kWaitMs. Who comes when there is no room pushes out the one that waits longest,
// because fragments that merely overtook each other are together again within milliseconds.
//
// Datagrams are told apart by a tag: a keyed hash of addresses, protocol and identification, as in
// the flow table. Buffers are opaque (the data plane's are mbufs) and belong to the table while
// they wait. Allocates at construction only. Thread safety: none; one worker's own. Times are
// milliseconds of any clock that does not go back.
#ifndef GUIDEWAY_DATAPLANE_PATH_FRAGMENT_TABLE_H_
#define GUIDEWAY_DATAPLANE_PATH_FRAGMENT_TABLE_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "lib/flow/flow_table.h"
#include "lib/net/big_endian.h"
#include "lib/net/flow_key.h"

namespace guideway {

struct alignas(32) FragmentDecision {
  uint64_t tag = 0;         // 0: free
  uint32_t decided_ms = 0;  // modulo 2^32; set by the table
  BackendId backend = 0;    // index 0xffff: nobody
  // Of the flow; looked up anew for every fragment, so that no table change leaves them stale.
  Be16 source_port;
  Be16 destination_port;
  IpProtocol protocol = IpProtocol::kUdp;
  uint16_t first_end_bytes = 0;  // what the first fragment holds of the datagram's payload
};
static_assert(sizeof(FragmentDecision) == 32);

struct WaitingFragment {
  void* buffer = nullptr;  // nullptr: none
  uint64_t tag = 0;
  uint64_t since_ms = 0;  // set by the table
  uint16_t receive_port = 0;
};

class FragmentTable {
 public:
  static constexpr uint32_t kDecisions = 8192, kWays = 4, kWaiting = 256;
  static constexpr uint32_t kLifetimeMs = 2000, kWaitMs = 500;

  FragmentTable() : decisions_(kDecisions) {}
  FragmentTable(const FragmentTable&) = delete;
  FragmentTable& operator=(const FragmentTable&) = delete;

  // The datagram's decision, or nullptr. Valid until the next Decide().
  const FragmentDecision* Find(uint64_t tag, uint64_t now_ms) const;
  // Enters a decision, in place of an earlier one for the same tag, and releases who waits for it.
  void Decide(const FragmentDecision& decision, uint64_t now_ms);

  // Takes the fragment in. Returns the one that was pushed out, if any: the caller's again.
  WaitingFragment Wait(WaitingFragment fragment, uint64_t now_ms);
  uint32_t waiting() const { return waiting_; }
  uint32_t released() const { return released_count_; }
  // Hands over released fragments in the order in which they came, as many as fit, all of one
  // receive port. Returns how many.
  uint32_t TakeReleased(absl::Span<WaitingFragment> out);
  // The next fragment that has waited for kWaitMs, or none.
  WaitingFragment TakeExpired(uint64_t now_ms);
  // The next fragment that waits, however long, or none: to get all buffers back.
  WaitingFragment TakeAny();
  // Forgets all decisions, and buffers that wait: first TakeAny() those that matter.
  void Clear();

 private:
  WaitingFragment& At(uint64_t position) { return queue_[position % kWaiting]; }
  void Release(uint64_t tag);
  WaitingFragment TakeHead();

  std::vector<FragmentDecision> decisions_;
  // In the order of arrival, from head_ to tail_; buffer == nullptr where one has been released.
  std::array<WaitingFragment, kWaiting> queue_;
  uint64_t head_ = 0;
  uint64_t tail_ = 0;
  uint32_t waiting_ = 0;
  std::array<WaitingFragment, kWaiting> released_;  // from released_next_, released_count_ of them
  uint32_t released_next_ = 0;
  uint32_t released_count_ = 0;
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_PATH_FRAGMENT_TABLE_H_
