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

// Drops `gone` from the slots; null if none is there. `lost`: some slot has no owner any more.
// Also drops `current` owners that are gone: the rebuild that follows must not make them
// `previous`.
std::shared_ptr<std::vector<channel::MaglevSlot>> WithoutGone(const PoolSlots& slots,
                                                              const std::set<uint16_t>& gone,
                                                              bool* lost) {
  if (!slots || gone.empty()) return nullptr;
  std::vector<bool> is_gone(size_t{kNoBackend} + 1);
  for (const uint16_t index : gone) is_gone[index] = true;
  auto cleaned = std::make_shared<std::vector<channel::MaglevSlot>>(*slots);
  bool any = false;
  for (channel::MaglevSlot& slot : *cleaned) {
    if (!is_gone[slot.current] && !is_gone[slot.previous]) continue;
    any = true;
    if (is_gone[slot.current]) {
      slot.current = kNoBackend;
      *lost = true;
    }
    if (is_gone[slot.previous] || slot.current == kNoBackend) slot.previous = slot.current;
  }
  return any ? cleaned : nullptr;
}

// Counts owners and notes who is mentioned.
void Look(PoolSlotsBuilder::Built* built) {
  const std::vector<channel::MaglevSlot>& slots = *built->slots;
  uint32_t end = 0;
  for (const channel::MaglevSlot& slot : slots) {
    if (slot.current != kNoBackend) end = std::max<uint32_t>(end, slot.current + 1u);
    if (slot.previous != kNoBackend) end = std::max<uint32_t>(end, slot.previous + 1u);
  }
  std::vector<uint32_t> owned(end);
  std::vector<bool> mentioned(end);
  for (const channel::MaglevSlot& slot : slots) {
    if (slot.current != kNoBackend) ++owned[slot.current];
    if (slot.previous != kNoBackend) mentioned[slot.previous] = true;
  }
  for (uint32_t index = 0; index < end; ++index) {
    if (owned[index] != 0) built->slots_owned[static_cast<uint16_t>(index)] = owned[index];
    if (mentioned[index] || owned[index] != 0) {
      built->mentioned.push_back(static_cast<uint16_t>(index));
    }
  }
}

}  // namespace

std::optional<PoolSlotsBuilder::Build> PoolSlotsBuilder::Plan(
    std::vector<MaglevBackend> backends, uint32_t slot_count,
    const std::set<uint16_t>& gone) const {
  Build build;
  build.slot_count = slot_count;
  build.before = slots_;
  build.same_input = slots_ && slots_->size() == slot_count && SameInput(backends, *backends_);
  for (const uint16_t index : gone) {
    if (std::binary_search(mentioned_.begin(), mentioned_.end(), index)) build.gone.insert(index);
  }
  if (build.same_input && build.gone.empty()) return std::nullopt;
  build.backends = std::make_shared<const std::vector<MaglevBackend>>(std::move(backends));
  return build;
}

absl::StatusOr<PoolSlotsBuilder::Built> PoolSlotsBuilder::Run(const Build& build) {
  Built built;
  bool lost = false;
  const PoolSlots cleaned = WithoutGone(build.before, build.gone, &lost);
  const PoolSlots& before = cleaned != nullptr ? cleaned : build.before;
  if (build.same_input && !lost) {
    built.slots = before;
    Look(&built);
    return built;
  }
  GW_ASSIGN_OR_RETURN(const std::vector<uint16_t> owners,
                      BuildMaglevTable(*build.backends, build.slot_count, /*seed=*/0));
  const bool comparable = before && before->size() == build.slot_count;
  std::vector<channel::MaglevSlot> fresh(build.slot_count);
  for (uint32_t i = 0; i < build.slot_count; ++i) {
    const uint16_t owner = owners[i];
    const channel::MaglevSlot old = comparable ? (*before)[i] : channel::MaglevSlot{owner, owner};
    const uint16_t last = old.current == owner ? old.previous : old.current;
    const bool nobody = last == kNoBackend || owner == kNoBackend;
    fresh[i] = {.current = owner, .previous = nobody ? owner : last};
  }
  built.slots = std::make_shared<const std::vector<channel::MaglevSlot>>(std::move(fresh));
  Look(&built);
  return built;
}

void PoolSlotsBuilder::Take(const Build& build, Built built) {
  slots_ = std::move(built.slots);
  slots_owned_ = std::move(built.slots_owned);
  mentioned_ = std::move(built.mentioned);
  backends_ = build.backends;
  digest_ = built.digest != nullptr ? std::move(built.digest)
                                    : std::make_shared<TableDigest>(slots_, backends_);
}

void PoolSlotsBuilder::AddDigest(const Build& build, Built* built) {
  built->digest = std::make_shared<TableDigest>(built->slots, build.backends);
  built->digest->value();
}

absl::Status PoolSlotsBuilder::Update(std::vector<MaglevBackend> backends, uint32_t slot_count,
                                      const std::set<uint16_t>& gone) {
  const std::optional<Build> build = Plan(std::move(backends), slot_count, gone);
  if (!build.has_value()) return absl::OkStatus();
  GW_ASSIGN_OR_RETURN(Built built, Run(*build));
  Take(*build, std::move(built));
  return absl::OkStatus();
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
