// A flow table in memory of its own, and flows that fall where a test wants them.
#ifndef GUIDEWAY_TESTS_UNIT_FLOW_FLOW_FIXTURE_H_
#define GUIDEWAY_TESTS_UNIT_FLOW_FLOW_FIXTURE_H_

#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>

#include "lib/flow/flow_table.h"

namespace guideway {

inline constexpr FlowTimeouts kTimeouts;
inline constexpr uint32_t kNow = 1000000;

struct Memory {
  explicit Memory(size_t size_bytes)
      : bytes(size_bytes), data(std::aligned_alloc(128, (size_bytes + 127) / 128 * 128), &free) {
    std::memset(data.get(), 0xa5, bytes);
  }
  size_t bytes;
  std::unique_ptr<void, decltype(&free)> data;
};

struct Table {
  explicit Table(uint64_t flows) : memory(FlowTable::BytesFor(flows)) {
    REQUIRE(table.Attach(memory.data.get(), memory.bytes, &kept).ok());
    REQUIRE_FALSE(kept);
  }
  FlowEntry* Find(uint64_t hash, uint32_t now_s = kNow) { return table.Find(hash, now_s); }
  FlowInsert Insert(uint64_t hash, FlowState state, uint32_t now_s = kNow, BackendId backend = 7) {
    return table.Insert(hash, backend, state, now_s, kTimeouts);
  }
  // By backend index: what ForEach visits.
  std::map<uint16_t, uint32_t> Counts() const {
    std::map<uint16_t, uint32_t> counts;
    table.ForEach([&](uint64_t, BackendId id, FlowState, uint32_t) { ++counts[BackendIndex(id)]; });
    return counts;
  }
  Memory memory;
  FlowTable table;
  bool kept = true;
};

// The n-th flow that has these two buckets, in a table of at most 4096; an odd number apart.
inline uint64_t FlowOf(uint64_t first, uint64_t second, uint64_t n = 0) {
  return (first ^ second) << 32 | n << 12 | first;
}

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_FLOW_FLOW_FIXTURE_H_
