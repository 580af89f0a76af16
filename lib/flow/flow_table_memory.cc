// The flow table's memory: size, header, attaching to what a former process left, emptying.
#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "lib/flow/flow_table.h"

namespace guideway {
namespace {

constexpr uint64_t kMagic = 0x776f6c6679617767;  // "gwayflow" in memory
constexpr uint32_t kLayoutVersion = 5;           // of header, bucket, entry, and where flows stand
constexpr uint64_t kMinBuckets = 2;              // two for each flow
constexpr size_t kBackendIndices = size_t{1} << 16;  // of uint16_t

}  // namespace

struct alignas(kCacheLineBytes) FlowTable::Header {
  uint64_t magic;
  uint32_t layout_version;
  uint32_t run_is_complete;  // 0 or 1; see FlowTableStamp
  uint64_t bucket_count;
  uint64_t key_digest;
  uint64_t run;
  uint64_t boot;
};

FlowTableHead FlowTable::ReadHead(const FlowTableHead::Bytes& bytes) {
  static_assert(sizeof(Header) == sizeof(FlowTableHead::Bytes));
  Header header;
  std::memcpy(&header, bytes, sizeof(header));
  return {
      .is_table = header.magic == kMagic,
      .this_layout = header.layout_version == kLayoutVersion,
      .layout_version = header.layout_version,
      .bytes_needed = header.bucket_count > SIZE_MAX / sizeof(FlowBucket) - 1
                          ? SIZE_MAX
                          : sizeof(Header) + header.bucket_count * sizeof(FlowBucket),
      .stamp = {.run = header.run, .boot = header.boot, .complete = header.run_is_complete != 0}};
}

size_t FlowTable::BytesFor(uint64_t flows) {
  uint64_t buckets = (flows + kFlowsPerBucket - 1) / kFlowsPerBucket;
  if (buckets < kMinBuckets) buckets = kMinBuckets;
  return sizeof(Header) + std::bit_ceil(buckets) * sizeof(FlowBucket);
}

absl::Status FlowTable::Attach(void* memory, size_t bytes, bool* kept) {
  *kept = false;
  if (memory == nullptr || reinterpret_cast<uintptr_t>(memory) % kCacheLineBytes != 0) {
    return absl::InvalidArgumentError("flow table: memory is not 64-byte aligned");
  }
  if (bytes < BytesFor(1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("flow table: ", bytes, " bytes of memory, at least ", BytesFor(1), " needed"));
  }
  header_ = static_cast<Header*>(memory);
  buckets_ = reinterpret_cast<FlowBucket*>(static_cast<uint8_t*>(memory) + sizeof(Header));
  bucket_count_ = std::bit_floor((bytes - sizeof(Header)) / sizeof(FlowBucket));
  *kept = header_->magic == kMagic && header_->layout_version == kLayoutVersion &&
          header_->bucket_count == bucket_count_;
  counts_ = std::make_unique<std::atomic<uint32_t>[]>(kBackendIndices);
  takeovers_ = std::make_unique<TakeoverLog>();
  counted_end_ = nullptr;
  next_swept_ = 0;
  unanswered_ = kNoBackendId;
  if (!*kept) {
    SetStamp({});
    Clear(/*key_digest=*/0);
  }
  return absl::OkStatus();
}

void FlowTable::SetStamp(const FlowTableStamp& stamp) {
  header_->run_is_complete = 0;
  std::atomic_thread_fence(std::memory_order_release);
  header_->run = stamp.run;
  header_->boot = stamp.boot;
  std::atomic_thread_fence(std::memory_order_release);
  header_->run_is_complete = stamp.complete ? 1 : 0;
}

void FlowTable::Clear(uint64_t key_digest) {
  header_->magic = 0;  // not a table until it is whole
  std::atomic_thread_fence(std::memory_order_release);
  for (uint64_t i = 0; i < bucket_count_; ++i) {
    for (FlowEntry& entry : buckets_[i].entries) {
      entry.expiry.store(0, std::memory_order_relaxed);  // first: Peek() and ForEach() look at it
      std::atomic_thread_fence(std::memory_order_release);
      entry.tag.store(0, std::memory_order_relaxed);
      entry.backend.store(0, std::memory_order_relaxed);
    }
  }
  for (size_t i = 0; i < kBackendIndices; ++i) counts_[i].store(0, std::memory_order_relaxed);
  header_->layout_version = kLayoutVersion;
  header_->bucket_count = bucket_count_;
  header_->key_digest = key_digest;
  std::atomic_thread_fence(std::memory_order_release);
  header_->magic = kMagic;
}

uint64_t FlowTable::key_digest() const { return header_->key_digest; }

// One that another table's flow may replace if that is newer. What was given up is older than what
// was not.
bool FlowTable::IsNewer(uint32_t expiry, uint32_t than, uint32_t now_s) {
  if (IsOwn(expiry) != IsOwn(than)) return IsOwn(expiry);
  return SecondsLeft(expiry, now_s) > SecondsLeft(than, now_s);
}

FlowInsert FlowTable::InheritFlow(uint64_t flow_hash, BackendId backend, FlowState state,
                                  uint32_t left_s, uint32_t now_s) {
  if (FlowEntry* own = Find(flow_hash, now_s)) {
    const uint32_t expiry = static_cast<uint32_t>(state) << 28 | ((now_s + left_s) & kFlowTimeMask);
    if (IsNewer(expiry, ExpiryOf(*own), now_s)) Overwrite(*own, flow_hash, backend, expiry, now_s);
    return FlowInsert::kKnown;
  }
  vain_searches_ = 0;  // no flood, and nobody waits
  const FlowTimeouts left{.half_open_s = left_s,
                          .established_s = left_s,
                          .closing_s = left_s,
                          .udp_s = left_s,
                          .half_closed_s = left_s};
  return Insert(flow_hash, backend, state, now_s, left);
}

void FlowTable::OwnAll() {
  for (uint64_t i = 0; i < bucket_count_; ++i) {
    for (FlowEntry& entry : buckets_[i].entries) {
      const uint32_t expiry = ExpiryOf(entry);
      if (StateOf(expiry) != FlowState::kTakenOver) continue;
      const uint32_t state = static_cast<uint32_t>(FlowState::kPickedUp) << 28;
      entry.expiry.store(state | (expiry & kFlowTimeMask), std::memory_order_relaxed);
    }
  }
}

}  // namespace guideway
