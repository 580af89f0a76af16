// TableMemory in DPDK's hugepage heap. Manager thread only.
#ifndef GUIDEWAY_DATAPLANE_MANAGER_HUGEPAGE_MEMORY_H_
#define GUIDEWAY_DATAPLANE_MANAGER_HUGEPAGE_MEMORY_H_

#include <rte_malloc.h>

#include <cstddef>

#include "dataplane/tables/table_memory.h"

namespace guideway {

class HugepageMemory : public TableMemory {
 public:
  void* Allocate(size_t bytes, size_t alignment) override {
    return rte_malloc("tables", bytes, static_cast<unsigned>(alignment));
  }
  void Free(void* memory, size_t /*bytes*/) override { rte_free(memory); }
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_MANAGER_HUGEPAGE_MEMORY_H_
