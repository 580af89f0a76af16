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
  const bool comparable = slots_ && slots_->size() == slot_count;
  if (comparable && !rebuild_ && SameInput(backends, *backends_)) return absl::OkStatus();
  GW_ASSIGN_OR_RETURN(const std::vector<uint16_t> owners,
                      BuildMaglevTable(backends, slot_count, /*seed=*/0));
  std::vector<channel::MaglevSlot> fresh(slot_count);
  for (uint32_t i = 0; i < slot_count; ++i) {
    const uint16_t owner = owners[i];
    const channel::MaglevSlot old = comparable ? (*slots_)[i] : channel::MaglevSlot{owner, owner};
    const uint16_t before = old.current == owner ? old.previous : old.current;
    const bool nobody = before == kNoBackend || owner == kNoBackend;
    fresh[i] = {.current = owner, .previous = nobody ? owner : before};
  }
  CountOwned(owners, backends);
  slots_ = std::make_shared<const std::vector<channel::MaglevSlot>>(std::move(fresh));
  backends_ = std::make_shared<const std::vector<MaglevBackend>>(std::move(backends));
  digest_ = std::make_shared<TableDigest>(slots_, backends_);
  rebuild_ = false;
  return absl::OkStatus();
}

void PoolSlotsBuilder::CountOwned(const std::vector<uint16_t>& owners,
                                  const std::vector<MaglevBackend>& backends) {
  uint16_t highest = 0;
  for (const MaglevBackend& backend : backends) highest = std::max(highest, backend.index);
  std::vector<uint32_t> owned(size_t{highest} + 1, 0);  // by backend index
  for (const uint16_t owner : owners) {
    if (owner != kNoBackend) ++owned[owner];
  }
  slots_owned_.clear();
  for (const MaglevBackend& backend : backends) slots_owned_[backend.index] = owned[backend.index];
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
      rebuild_ = true;
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

uint64_t TableDigest::value() const {
  if (!value_.has_value()) {
    std::vector<uint16_t> owners;
    owners.reserve(slots_->size());
    for (const channel::MaglevSlot& slot : *slots_) owners.push_back(slot.current);
    value_ = MaglevDigest(owners, *backends_);
  }
  return *value_;
}

}  // namespace guideway
