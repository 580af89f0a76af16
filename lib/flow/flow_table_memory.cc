// The flow table's memory: size, header, attaching to what a former process left, emptying.
#include <bit>

#include "absl/strings/str_cat.h"
#include "lib/flow/flow_table.h"

namespace guideway {
namespace {

constexpr uint64_t kMagic = 0x776f6c6679617767;  // "gwayflow" in memory
constexpr uint32_t kLayoutVersion = 3;           // of header, bucket, entry, and where flows stand
constexpr uint64_t kMinBuckets = 2;              // two for each flow
constexpr size_t kBackendIndices = size_t{1} << 16;  // of uint16_t

}  // namespace

struct alignas(kCacheLineBytes) FlowTable::Header {
  uint64_t magic;
  uint32_t layout_version;
  uint32_t reserved;
  uint64_t bucket_count;
  uint64_t key_digest;
};

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
  counted_end_ = nullptr;
  next_swept_ = 0;
  unanswered_ = kNoBackendId;
  if (!*kept) Clear(/*key_digest=*/0);
  return absl::OkStatus();
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
  header_->reserved = 0;
  header_->bucket_count = bucket_count_;
  header_->key_digest = key_digest;
  std::atomic_thread_fence(std::memory_order_release);
  header_->magic = kMagic;
}

uint64_t FlowTable::key_digest() const { return header_->key_digest; }

}  // namespace guideway
