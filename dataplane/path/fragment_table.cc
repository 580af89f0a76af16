// HOT PATH: no allocation, lock, log, system call or exception.
#include "dataplane/path/fragment_table.h"

namespace guideway {
namespace {

uint32_t AgeMs(const FragmentDecision& decision, uint64_t now_ms) {
  return static_cast<uint32_t>(now_ms) - decision.decided_ms;
}

size_t FirstOfSet(uint64_t tag) {
  constexpr uint64_t kSets = FragmentTable::kDecisions / FragmentTable::kWays;
  static_assert((kSets & (kSets - 1)) == 0);
  return (tag & (kSets - 1)) * FragmentTable::kWays;
}

}  // namespace

const FragmentDecision* FragmentTable::Find(uint64_t tag, uint64_t now_ms) const {
  const FragmentDecision* set = &decisions_[FirstOfSet(tag)];
  for (uint32_t way = 0; way < kWays; ++way) {
    if (set[way].tag == tag && AgeMs(set[way], now_ms) < kLifetimeMs) return &set[way];
  }
  return nullptr;
}

void FragmentTable::Decide(const FragmentDecision& decision, uint64_t now_ms) {
  FragmentDecision* set = &decisions_[FirstOfSet(decision.tag)];
  FragmentDecision* place = set;
  for (uint32_t way = 0; way < kWays; ++way) {
    if (set[way].tag == decision.tag) {
      place = &set[way];
      break;
    }
    // A free one counts as the oldest of all.
    if (place->tag == 0) continue;
    if (set[way].tag == 0 || AgeMs(set[way], now_ms) > AgeMs(*place, now_ms)) place = &set[way];
  }
  *place = decision;
  place->decided_ms = static_cast<uint32_t>(now_ms);
  if (waiting_ > 0) Release(decision.tag);
}

void FragmentTable::Release(uint64_t tag) {
  for (uint64_t position = head_; position != tail_; ++position) {
    WaitingFragment& fragment = At(position);
    if (fragment.buffer == nullptr || fragment.tag != tag) continue;
    // There is room: whoever is released was waiting, and no more than kWaiting are taken in
    // between two calls of TakeReleased() that empty it.
    if (released_count_ == kWaiting) return;
    released_[(released_next_ + released_count_++) % kWaiting] = fragment;
    fragment.buffer = nullptr;
    --waiting_;
  }
}

WaitingFragment FragmentTable::TakeHead() {
  while (head_ != tail_) {
    WaitingFragment& fragment = At(head_++);
    if (fragment.buffer == nullptr) continue;
    const WaitingFragment taken = fragment;
    fragment.buffer = nullptr;
    --waiting_;
    return taken;
  }
  return {};
}

WaitingFragment FragmentTable::Wait(WaitingFragment fragment, uint64_t now_ms) {
  WaitingFragment pushed_out;
  if (tail_ - head_ == kWaiting) {
    pushed_out = At(head_);  // or the gap that a released one has left
    At(head_++).buffer = nullptr;
    if (pushed_out.buffer != nullptr) --waiting_;
  }
  fragment.since_ms = now_ms;
  At(tail_++) = fragment;
  ++waiting_;
  return pushed_out;
}

uint32_t FragmentTable::TakeReleased(absl::Span<WaitingFragment> out) {
  uint32_t taken = 0;
  while (released_count_ > 0 && taken < out.size()) {
    const WaitingFragment& next = released_[released_next_];
    if (taken > 0 && next.receive_port != out[0].receive_port) break;
    out[taken++] = next;
    released_next_ = (released_next_ + 1) % kWaiting;
    --released_count_;
  }
  return taken;
}

WaitingFragment FragmentTable::TakeExpired(uint64_t now_ms) {
  for (; head_ != tail_; ++head_) {
    const WaitingFragment& fragment = At(head_);
    if (fragment.buffer == nullptr) continue;
    if (now_ms - fragment.since_ms < kWaitMs) return {};
    return TakeHead();
  }
  return {};
}

WaitingFragment FragmentTable::TakeAny() {
  if (released_count_ == 0) return TakeHead();
  WaitingFragment taken;
  TakeReleased(absl::MakeSpan(&taken, 1));
  return taken;
}

void FragmentTable::Clear() {
  for (FragmentDecision& decision : decisions_) decision = {};
  while (TakeAny().buffer != nullptr) {
  }
}

}  // namespace guideway
