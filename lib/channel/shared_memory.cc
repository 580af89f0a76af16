#include "lib/channel/shared_memory.h"

#include <fcntl.h>
#include <glog/logging.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "lib/channel/ring.h"

namespace guideway::channel {
namespace {

constexpr size_t kPageBytes = 4096;
constexpr uint32_t kMaxRingCapacity = 65536;
constexpr uint32_t kMaxArenaSlots = 4096;
constexpr uint32_t kMaxArenaSlotBytes = 64 << 20;
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
// The header is a copy of the data plane's Welcome, in a page of its own.
static_assert(sizeof(Welcome) <= kPageBytes);

constexpr size_t RoundUpToPage(size_t bytes) {
  return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
}

absl::Status CheckRange(const char* field, uint64_t value, uint64_t low, uint64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", value, ", allowed are ", low, " to ", high));
}

absl::Status CheckRingCapacity(const char* field, uint32_t value) {
  GW_RETURN_IF_ERROR(CheckRange(field, value, 2, kMaxRingCapacity));
  if (std::has_single_bit(value)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, " is ", value, ", not a power of two"));
}

}  // namespace

absl::StatusOr<Geometry> Geometry::Compute(const Capacities& capacities) {
  GW_RETURN_IF_ERROR(CheckRingCapacity("request_capacity", capacities.request_capacity));
  GW_RETURN_IF_ERROR(CheckRingCapacity("response_capacity", capacities.response_capacity));
  GW_RETURN_IF_ERROR(
      CheckRange("arena_slot_count", capacities.arena_slot_count, 1, kMaxArenaSlots));
  GW_RETURN_IF_ERROR(CheckRange("arena_slot_bytes", capacities.arena_slot_bytes,
                                kMinSlots * sizeof(MaglevSlot), kMaxArenaSlotBytes));
  Geometry geometry;
  geometry.capacities = capacities;
  size_t at = RoundUpToPage(sizeof(Welcome));
  geometry.request_ring = at;
  at += RoundUpToPage(RingBytes<Request>(capacities.request_capacity));
  geometry.response_ring = at;
  at += RoundUpToPage(RingBytes<Response>(capacities.response_capacity));
  geometry.vitals = at;
  at += RoundUpToPage(sizeof(Vitals));
  geometry.counters = at;
  at += RoundUpToPage(sizeof(CountersRegion));
  geometry.arena = at;
  geometry.arena_slot_stride = RoundUpToPage(capacities.arena_slot_bytes);
  geometry.total_bytes = at + capacities.arena_slot_count * geometry.arena_slot_stride;
  return geometry;
}

void ArenaView::CopyOut(uint32_t slot, uint32_t entries, MaglevSlot* to) const {
  CHECK_LT(slot, slot_count);
  CHECK_LE(entries, EntriesPerSlot());
  std::memcpy(to, base + slot * stride, entries * sizeof(MaglevSlot));
}

absl::StatusOr<SharedMemory> SharedMemory::Create(const Capacities& capacities) {
  GW_ASSIGN_OR_RETURN(const Geometry geometry, Geometry::Compute(capacities));
  UniqueFd file(memfd_create("guideway-channel", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file.valid()) return ErrnoStatus(errno, "memfd_create");
  if (ftruncate(file.get(), static_cast<off_t>(geometry.total_bytes)) != 0) {
    return ErrnoStatus(errno, absl::StrCat("size the channel to ", geometry.total_bytes, " bytes"));
  }
  if (fcntl(file.get(), F_ADD_SEALS, kSeals) != 0) return ErrnoStatus(errno, "seal the channel");
  return Map(std::move(file), geometry);
}

absl::StatusOr<SharedMemory> SharedMemory::Attach(UniqueFd file, const Capacities& capacities) {
  GW_ASSIGN_OR_RETURN(const Geometry geometry, Geometry::Compute(capacities));
  const int seals = fcntl(file.get(), F_GET_SEALS);
  if (seals < 0) return ErrnoStatus(errno, "read the seals of the channel's memory");
  if ((seals & kSeals) != kSeals) {
    return absl::FailedPreconditionError(
        absl::StrCat("the channel's memory has seals ", seals, ", needed are ", kSeals));
  }
  struct stat info;
  if (fstat(file.get(), &info) != 0) return ErrnoStatus(errno, "fstat of the channel's memory");
  if (static_cast<uint64_t>(info.st_size) != geometry.total_bytes) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the channel's memory has ", info.st_size, " bytes, expected are ", geometry.total_bytes));
  }
  return Map(std::move(file), geometry);
}

absl::StatusOr<SharedMemory> SharedMemory::Map(UniqueFd file, const Geometry& geometry) {
  void* base =
      mmap(nullptr, geometry.total_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (base == MAP_FAILED) return ErrnoStatus(errno, "map the channel's memory");
  SharedMemory memory;
  memory.file_ = std::move(file);
  memory.geometry_ = geometry;
  memory.base_ = static_cast<uint8_t*>(base);
  return memory;
}

SharedMemory::SharedMemory(SharedMemory&& other) noexcept
    : file_(std::move(other.file_)),
      geometry_(std::exchange(other.geometry_, Geometry{})),
      base_(std::exchange(other.base_, nullptr)) {}

SharedMemory& SharedMemory::operator=(SharedMemory&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(geometry_, other.geometry_);
  std::swap(base_, other.base_);
  return *this;
}

SharedMemory::~SharedMemory() {
  if (base_ != nullptr) munmap(base_, geometry_.total_bytes);
}

CountersRegion* SharedMemory::counters() const {
  return base_ == nullptr ? nullptr : reinterpret_cast<CountersRegion*>(base_ + geometry_.counters);
}

Vitals* SharedMemory::vitals() const {
  return base_ == nullptr ? nullptr : reinterpret_cast<Vitals*>(base_ + geometry_.vitals);
}

ArenaView SharedMemory::arena() const {
  if (base_ == nullptr) return {};
  return {.base = base_ + geometry_.arena,
          .slot_count = geometry_.capacities.arena_slot_count,
          .slot_bytes = geometry_.capacities.arena_slot_bytes,
          .stride = geometry_.arena_slot_stride};
}

absl::Span<MaglevSlot> SharedMemory::arena_slot(uint32_t slot) const {
  if (base_ == nullptr || slot >= geometry_.capacities.arena_slot_count) return {};
  uint8_t* start = base_ + geometry_.arena + slot * geometry_.arena_slot_stride;
  return {reinterpret_cast<MaglevSlot*>(start),
          geometry_.capacities.arena_slot_bytes / sizeof(MaglevSlot)};
}

}  // namespace guideway::channel
