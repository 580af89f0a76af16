// The Maglev builder. The rule, with weights, is written down in
// docs/decisions/0003-maglev-weights.md and implemented a second time, from that page, in
// tests/oracle/maglev.py.
#include "lib/hash/maglev.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "lib/hash/maglev_filler.h"
#include "lib/hash/maglev_turns.h"
#include "lib/hash/siphash.h"

namespace guideway {
namespace {

constexpr uint32_t kMinSlotCount = 3;
constexpr uint32_t kMaxSlotCount = 1u << 24;
constexpr uint32_t kMaxWeight = 10000;
constexpr SipKey kDigestKey{0x6775696465776179, 0x646967657374};  // "guideway", "digest"

absl::Status Validate(absl::Span<const MaglevBackend> backends, uint32_t slot_count) {
  if (slot_count < kMinSlotCount || slot_count > kMaxSlotCount || !IsPrime(slot_count)) {
    return absl::InvalidArgumentError(
        absl::StrCat("slot count ", slot_count, " is not a prime from 3 to 2^24"));
  }
  std::vector<bool> index_used(kNoBackend, false);
  for (const MaglevBackend& backend : backends) {
    if (backend.index >= kNoBackend) {
      return absl::InvalidArgumentError(absl::StrCat("backend '", backend.identity, "': index ",
                                                     backend.index, " is not below ", kNoBackend));
    }
    if (index_used[backend.index]) {
      return absl::InvalidArgumentError(absl::StrCat("backend '", backend.identity, "': index ",
                                                     backend.index, " is used twice"));
    }
    index_used[backend.index] = true;
    if (backend.weight > kMaxWeight) {
      return absl::InvalidArgumentError(absl::StrCat("backend '", backend.identity, "': weight ",
                                                     backend.weight, " is above ", kMaxWeight));
    }
  }
  return absl::OkStatus();
}

// A backend and what orders identities fast: the 8 bytes after what all of them begin with.
struct Ranked {
  uint64_t key;
  const MaglevBackend* backend;
  friend bool operator<(const Ranked& a, const Ranked& b) {
    return a.key != b.key ? a.key < b.key : a.backend->identity < b.backend->identity;
  }
};

size_t CommonPrefix(absl::Span<const MaglevBackend> backends) {
  if (backends.empty()) return 0;
  const std::string& first = backends.front().identity;
  size_t length = first.size();
  for (const MaglevBackend& backend : backends) {
    const std::string& other = backend.identity;
    length = std::min(length, other.size());
    length =
        std::mismatch(first.begin(), first.begin() + length, other.begin()).first - first.begin();
  }
  return length;
}

// By ascending identity.
std::vector<Ranked> Sorted(absl::Span<const MaglevBackend> backends) {
  const size_t prefix = CommonPrefix(backends);
  std::vector<Ranked> sorted;
  sorted.reserve(backends.size());
  for (const MaglevBackend& backend : backends) {
    uint64_t key = 0;
    for (size_t i = prefix; i < prefix + sizeof(key); ++i) {
      key =
          key << 8 | (i < backend.identity.size() ? static_cast<uint8_t>(backend.identity[i]) : 0);
    }
    sorted.push_back({key, &backend});
  }
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

// The backends that take part, by ascending identity: their position is their rank.
struct Members {
  std::vector<MaglevWalk> walks;
  std::vector<uint32_t> weights;
};

absl::StatusOr<Members> MembersOf(absl::Span<const MaglevBackend> backends, uint32_t slot_count,
                                  uint64_t seed) {
  const std::vector<Ranked> sorted = Sorted(backends);
  Members members;
  members.walks.reserve(sorted.size());
  members.weights.reserve(sorted.size());
  for (size_t i = 0; i < sorted.size(); ++i) {
    const MaglevBackend& backend = *sorted[i].backend;
    if (i > 0 && sorted[i - 1].backend->identity == backend.identity) {
      return absl::InvalidArgumentError(
          absl::StrCat("backend identity '", backend.identity, "' is used twice"));
    }
    if (backend.weight == 0) continue;
    const uint64_t offset = SipHash24(SipKey{seed, 0}, backend.identity);
    const uint64_t skip = SipHash24(SipKey{seed, 1}, backend.identity);
    members.walks.push_back({.offset = static_cast<uint32_t>(offset % slot_count),
                             .skip = static_cast<uint32_t>(skip % (slot_count - 1) + 1),
                             .index = backend.index});
    members.weights.push_back(backend.weight);
  }
  return members;
}

}  // namespace

absl::StatusOr<std::vector<uint16_t>> BuildMaglevTable(absl::Span<const MaglevBackend> backends,
                                                       uint32_t slot_count, uint64_t seed) {
  if (absl::Status status = Validate(backends, slot_count); !status.ok()) return status;
  const auto members = MembersOf(backends, slot_count, seed);
  if (!members.ok()) return members.status();
  if (members->walks.empty()) return std::vector<uint16_t>(slot_count, kNoBackend);
  if (members->walks.size() == 1) {
    return std::vector<uint16_t>(slot_count, members->walks.front().index);
  }

  MaglevTurns turns(members->weights, slot_count);
  MaglevFiller filler(members->walks, slot_count);
  while (!filler.full()) filler.Take(turns.Next());
  return std::move(filler).table();
}

uint64_t MaglevDigest(absl::Span<const uint16_t> table, absl::Span<const MaglevBackend> backends) {
  std::vector<uint64_t> identity_hash(size_t{kNoBackend} + 1, 0);
  for (const MaglevBackend& backend : backends) {
    if (backend.index == kNoBackend) continue;
    identity_hash[backend.index] = SipHash24(kDigestKey, backend.identity);
  }
  std::vector<uint64_t> owners(table.size());
  for (size_t i = 0; i < table.size(); ++i) owners[i] = LittleEndian(identity_hash[table[i]]);
  return SipHash24(kDigestKey, owners.data(), owners.size() * sizeof(uint64_t));
}

bool IsPrime(uint32_t n) {
  if (n < 2) return false;
  if (n % 2 == 0) return n == 2;
  for (uint64_t divisor = 3; divisor * divisor <= n; divisor += 2) {
    if (n % divisor == 0) return false;
  }
  return true;
}

}  // namespace guideway
