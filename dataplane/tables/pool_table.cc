#include "dataplane/tables/pool_table.h"

#include <algorithm>
#include <vector>

#include "lib/base/hot.h"
#include "lib/hash/maglev.h"

namespace guideway {

using channel::MaglevSlot;

namespace {

size_t ShareBytes(size_t candidates, size_t turns) {
  return candidates * sizeof(Candidate) + turns * sizeof(uint16_t);
}

}  // namespace

std::shared_ptr<const PoolTable> PoolTable::Copy(const channel::ArenaView& arena,
                                                 const channel::PoolBody& body,
                                                 TableMemory* memory) {
  void* block = memory->Allocate(body.slot_count * sizeof(MaglevSlot), kCacheLineBytes);
  if (block == nullptr) return nullptr;
  auto* slots = static_cast<MaglevSlot*>(block);
  std::shared_ptr<PoolTable> table(new PoolTable(memory, slots, body));
  arena.CopyOut(body.arena_slot, body.slot_count, slots);
  table->FindBackends();
  if (table->keeps_state() && !table->FindShares()) return nullptr;
  return table;
}

PoolTable::~PoolTable() {
  if (candidates_ != nullptr) memory_->Free(candidates_, ShareBytes(candidate_count_, turn_count_));
  memory_->Free(slots_, entries_ * sizeof(MaglevSlot));
}

// False if there is no memory.
bool PoolTable::FindShares() {
  const std::vector<Candidate> found = CandidatesOf(slots());
  if (found.empty()) return true;
  size_t turns = 0;
  if (scheduler_ == channel::Scheduler::kWeightedRoundRobin) {
    for (const Candidate& candidate : found) turns += candidate.slots;
  }
  void* block = memory_->Allocate(ShareBytes(found.size(), turns), kCacheLineBytes);
  if (block == nullptr) return false;
  candidates_ = static_cast<Candidate*>(block);
  candidate_count_ = static_cast<uint32_t>(found.size());
  std::copy(found.begin(), found.end(), candidates_);
  turns_ = reinterpret_cast<uint16_t*>(candidates_ + candidate_count_);
  turn_count_ = static_cast<uint32_t>(turns);
  if (turns != 0) FillTurns(found, {turns_, turn_count_});
  return true;
}

void PoolTable::FindBackends() {
  // A byte each, which is written without being read first.
  std::vector<uint8_t> found(size_t{kNoBackend} + 1);
  for (const MaglevSlot& slot : slots()) found[slot.current] = found[slot.previous] = 1;
  for (size_t i = 0; i < channel::kMaxBackends; ++i) backends_[i] = found[i] != 0;
  for (size_t i = channel::kMaxBackends; i < kNoBackend; ++i) {
    if (found[i] != 0) impossible_backend_ = static_cast<uint16_t>(i);
  }
}

}  // namespace guideway
