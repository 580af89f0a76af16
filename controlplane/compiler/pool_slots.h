// A pool's Maglev table over time: built anew when its input changes, with each slot's last owner.
#ifndef GUIDEWAY_CONTROLPLANE_COMPILER_POOL_SLOTS_H_
#define GUIDEWAY_CONTROLPLANE_COMPILER_POOL_SLOTS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "controlplane/compiler/tables.h"
#include "lib/hash/maglev.h"

namespace guideway {

// A table's digest, see MaglevDigest(): worked out when it is asked for, since that takes as long
// as building the table. Thread safety: one thread.
class TableDigest {
 public:
  TableDigest(PoolSlots slots, std::shared_ptr<const std::vector<MaglevBackend>> backends)
      : slots_(std::move(slots)), backends_(std::move(backends)) {}
  uint64_t value() const;

 private:
  PoolSlots slots_;
  std::shared_ptr<const std::vector<MaglevBackend>> backends_;
  mutable std::optional<uint64_t> value_;
};

// Thread safety: one thread.
class PoolSlotsBuilder {
 public:
  // Builds the table for `backends` (those that take new flows), unless they are the same as last
  // time. `gone`: indices that have ceased to exist, or belong to another backend, since the last
  // call; naming one twice does no harm. A slot's `previous` is its owner before its last change,
  // as long as that backend exists; in the first table it is `current`.
  absl::Status Update(std::vector<MaglevBackend> backends, uint32_t slot_count,
                      const std::set<uint16_t>& gone);

  const PoolSlots& slots() const { return slots_; }
  const std::shared_ptr<const TableDigest>& digest() const { return digest_; }  // of `current`
  double ShareOf(uint16_t index) const;  // of the slots, 0..1

 private:
  void DropGone(const std::set<uint16_t>& gone);
  void CountOwned(const std::vector<uint16_t>& owners, const std::vector<MaglevBackend>& backends);

  // All null before the first Update().
  std::shared_ptr<const std::vector<MaglevBackend>> backends_;
  PoolSlots slots_;
  std::shared_ptr<const TableDigest> digest_;
  bool rebuild_ = false;                      // some slot has lost its owner
  std::map<uint16_t, uint32_t> slots_owned_;  // by backend index
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_COMPILER_POOL_SLOTS_H_
