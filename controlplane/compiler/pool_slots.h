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
#include "absl/status/statusor.h"
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

// Thread safety: one thread, but for Run().
class PoolSlotsBuilder {
 public:
  // All that a table is made from. Shared parts are immutable.
  struct Build {
    std::shared_ptr<const std::vector<MaglevBackend>> backends;
    uint32_t slot_count = 0;
    PoolSlots before;         // null: this is the first table
    bool same_input = false;  // as `before` was made from
    std::set<uint16_t> gone;
  };
  struct Built {
    PoolSlots slots;
    std::map<uint16_t, uint32_t> slots_owned;   // by backend index
    std::vector<uint16_t> mentioned;            // all indices in the slots, sorted
    std::shared_ptr<const TableDigest> digest;  // null: not worked out yet
  };

  // The table for `backends` (those that take new flows); nullopt: it is there already. `gone`:
  // indices that have ceased to exist, or belong to another backend, since the last call; naming
  // one twice does no harm. A slot's `previous` is its owner before its last change, as long as
  // that backend exists; in the first table it is `current`.
  std::optional<Build> Plan(std::vector<MaglevBackend> backends, uint32_t slot_count,
                            const std::set<uint16_t>& gone) const;
  // Takes milliseconds. Any thread.
  static absl::StatusOr<Built> Run(const Build& build);
  static absl::StatusOr<Built> RunIfAny(const std::optional<Build>& build) {
    if (!build.has_value()) return Built{};
    return Run(*build);
  }
  // Works the digest out as well, so that nobody has to later. Any thread.
  static void AddDigest(const Build& build, Built* built);
  // What Run() has made of the newest Plan().
  void Take(const Build& build, Built built);
  // All three, at once.
  absl::Status Update(std::vector<MaglevBackend> backends, uint32_t slot_count,
                      const std::set<uint16_t>& gone);

  const PoolSlots& slots() const { return slots_; }
  const std::shared_ptr<const TableDigest>& digest() const { return digest_; }  // of `current`
  double ShareOf(uint16_t index) const;  // of the slots, 0..1

 private:
  // All null before the first table.
  std::shared_ptr<const std::vector<MaglevBackend>> backends_;
  PoolSlots slots_;
  std::shared_ptr<const TableDigest> digest_;
  std::map<uint16_t, uint32_t> slots_owned_;
  std::vector<uint16_t> mentioned_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_COMPILER_POOL_SLOTS_H_
