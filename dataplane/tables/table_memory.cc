#include "dataplane/tables/table_memory.h"

#include <algorithm>
#include <cstdlib>

namespace guideway {

void* HeapTableMemory::Allocate(size_t bytes, size_t alignment) {
  if (bytes > limit_bytes_ - used_bytes_) return nullptr;
  void* memory = nullptr;
  if (posix_memalign(&memory, std::max(alignment, sizeof(void*)), bytes) != 0) return nullptr;
  used_bytes_ += bytes;
  return memory;
}

void HeapTableMemory::Free(void* memory, size_t bytes) {
  free(memory);
  used_bytes_ -= bytes;
}

}  // namespace guideway
