// Keeping {current, previous} over rebuilds of a pool's table.
#include "controlplane/compiler/pool_slots.h"

#include <algorithm>
#include <utility>

#include "lib/base/status.h"

namespace guideway {
namespace {

bool SameInput(const std::vector<MaglevBackend>& a, const std::vector<MaglevBackend>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const MaglevBackend& x, const MaglevBackend& y) {
                      return x.identity == y.identity && x.weight == y.weight && x.index == y.index;
                    });
}

}  // namespace

absl::Status PoolSlotsBuilder::Update(std::vector<MaglevBackend> backends, uint32_t slot_count,
                                      const std::set<uint16_t>& gone) {
  DropGone(gone);
  if (slots_ && slots_->size() == slot_count && SameInput(backends, backends_)) {
    return absl::OkStatus();
  }
  GW_ASSIGN_OR_RETURN(const std::vector<uint16_t> owners,
                      BuildMaglevTable(backends, slot_count, /*seed=*/0));
  auto fresh = std::make_shared<std::vector<channel::MaglevSlot>>(slot_count);
  const bool comparable = slots_ && slots_->size() == slot_count;
  slots_owned_.clear();
  for (uint32_t i = 0; i < slot_count; ++i) {
    channel::MaglevSlot& slot = (*fresh)[i];
    slot.current = slot.previous = owners[i];
    if (owners[i] == kNoBackend) continue;
    ++slots_owned_[owners[i]];
    if (!comparable) continue;
    const channel::MaglevSlot& old = (*slots_)[i];
    const uint16_t before = old.current == owners[i] ? old.previous : old.current;
    if (before != kNoBackend) slot.previous = before;
  }
  digest_ = MaglevDigest(owners, backends);
  slots_ = std::move(fresh);
  backends_ = std::move(backends);
  return absl::OkStatus();
}

// Also drops `current` owners that are gone: the rebuild that follows must not make them
// `previous`.
void PoolSlotsBuilder::DropGone(const std::set<uint16_t>& gone) {
  if (!slots_ || gone.empty()) return;
  const auto is_gone = [&](uint16_t index) { return gone.contains(index); };
  if (std::none_of(slots_->begin(), slots_->end(), [&](const channel::MaglevSlot& slot) {
        return is_gone(slot.current) || is_gone(slot.previous);
      })) {
    return;
  }
  auto cleaned = std::make_shared<std::vector<channel::MaglevSlot>>(*slots_);
  for (channel::MaglevSlot& slot : *cleaned) {
    if (is_gone(slot.current)) {
      slot.current = kNoBackend;
      backends_.clear();  // forces the rebuild
    }
    if (is_gone(slot.previous) || slot.current == kNoBackend) slot.previous = slot.current;
  }
  slots_ = std::move(cleaned);
}

double PoolSlotsBuilder::ShareOf(uint16_t index) const {
  const auto owned = slots_owned_.find(index);
  if (owned == slots_owned_.end() || !slots_) return 0;
  return static_cast<double>(owned->second) / static_cast<double>(slots_->size());
}

}  // namespace guideway
