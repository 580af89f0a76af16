// Where tables and snapshots live: hugepages in the data plane, the heap in tests and tools.
//
// Thread safety: none; the manager's thread only. Must outlive everything allocated from it.
#ifndef GUIDEWAY_DATAPLANE_TABLES_TABLE_MEMORY_H_
#define GUIDEWAY_DATAPLANE_TABLES_TABLE_MEMORY_H_

#include <cstddef>

namespace guideway {

class TableMemory {
 public:
  virtual ~TableMemory() = default;
  // `bytes` > 0, `alignment` a power of two. The contents are undefined. nullptr if there is none.
  virtual void* Allocate(size_t bytes, size_t alignment) = 0;
  // Gives back what Allocate(bytes, ...) returned.
  virtual void Free(void* memory, size_t bytes) = 0;
};

// The heap, with an upper limit.
class HeapTableMemory : public TableMemory {
 public:
  explicit HeapTableMemory(size_t limit_bytes) : limit_bytes_(limit_bytes) {}
  void* Allocate(size_t bytes, size_t alignment) override;
  void Free(void* memory, size_t bytes) override;
  size_t used_bytes() const { return used_bytes_; }

 private:
  const size_t limit_bytes_;
  size_t used_bytes_ = 0;
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_TABLES_TABLE_MEMORY_H_
