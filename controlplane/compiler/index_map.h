// A map from small indices to values whose copies share what they have in common.
//
// Values lie in chunks of 64 indices. A copy shares all chunks; Set() and Erase() replace only the
// chunk that they touch. So copying and comparing tables of many thousand entries costs what has
// changed, not what there is. Thread safety: a map and its copies belong to one thread;
// any of them may end on another.
#ifndef GUIDEWAY_CONTROLPLANE_COMPILER_INDEX_MAP_H_
#define GUIDEWAY_CONTROLPLANE_COMPILER_INDEX_MAP_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

namespace guideway {

template <typename Value>
class IndexMap {
 public:
  // Null if there is none. Valid until the next change.
  const Value* Find(uint32_t index) const {
    const Chunk* chunk = ChunkOf(index);
    if (chunk == nullptr || (chunk->present >> (index % kChunk) & 1) == 0) return nullptr;
    return &chunk->values[index % kChunk];
  }
  bool contains(uint32_t index) const { return Find(index) != nullptr; }
  // It must be there.
  const Value& at(uint32_t index) const {
    const Value* value = Find(index);
    if (value == nullptr) std::abort();
    return *value;
  }
  size_t size() const { return size_; }

  void Set(uint32_t index, Value value) {
    if (index / kChunk >= chunks_.size()) chunks_.resize(index / kChunk + 1);
    Chunk* chunk = Own(index);
    size_ += chunk->present >> (index % kChunk) & 1 ? 0 : 1;
    chunk->present |= uint64_t{1} << (index % kChunk);
    chunk->values[index % kChunk] = std::move(value);
  }
  void Erase(uint32_t index) {
    if (!contains(index)) return;
    Chunk* chunk = Own(index);
    chunk->present &= ~(uint64_t{1} << (index % kChunk));
    chunk->values[index % kChunk] = Value{};
    --size_;
  }

  // Calls `visit(index, value)` in order of the indices, but may leave out what `other` (null: an
  // empty map) has with the same value.
  template <typename Visit>
  void ForEachNotShared(const IndexMap* other, Visit visit) const {
    for (size_t i = 0; i < chunks_.size(); ++i) ForEachNotSharedOf(i, other, visit);
  }
  // The same for one part of the map, of parts().
  size_t parts() const { return chunks_.size(); }
  template <typename Visit>
  void ForEachNotSharedOf(size_t part, const IndexMap* other, Visit visit) const {
    const Chunk* chunk = chunks_[part].get();
    if (chunk == nullptr) return;
    if (other != nullptr && part < other->chunks_.size() && other->chunks_[part].get() == chunk) {
      return;
    }
    for (uint64_t rest = chunk->present; rest != 0; rest &= rest - 1) {
      const size_t place = static_cast<size_t>(std::countr_zero(rest));
      visit(static_cast<uint32_t>(part * kChunk + place), chunk->values[place]);
    }
  }
  template <typename Visit>
  void ForEach(Visit visit) const {
    ForEachNotShared(nullptr, visit);
  }

 private:
  static constexpr uint32_t kChunk = 64;
  struct Chunk {
    uint64_t present = 0;  // bit i: values[i] is in the map
    std::array<Value, kChunk> values = {};
  };

  const Chunk* ChunkOf(uint32_t index) const {
    return index / kChunk < chunks_.size() ? chunks_[index / kChunk].get() : nullptr;
  }
  // The chunk, made if there is none, copied if another map has it, too.
  Chunk* Own(uint32_t index) {
    std::shared_ptr<Chunk>& chunk = chunks_[index / kChunk];
    if (chunk == nullptr) {
      chunk = std::make_shared<Chunk>();
    } else if (chunk.use_count() != 1) {
      chunk = std::make_shared<Chunk>(*chunk);
    }
    return chunk.get();
  }

  std::vector<std::shared_ptr<Chunk>> chunks_;
  size_t size_ = 0;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_COMPILER_INDEX_MAP_H_
