// Named memory for a worker's flow table, so that a restarted data plane finds its flows again.
//
// A file "flows-<worker>" in a directory, best on hugetlbfs, else on tmpfs; locked while a data
// plane uses it. Start-up only; the mapping lives as long as the object.
#ifndef GUIDEWAY_DATAPLANE_WORKER_FLOW_MEMORY_H_
#define GUIDEWAY_DATAPLANE_WORKER_FLOW_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "lib/base/unique_fd.h"

namespace guideway {

class FlowMemory {
 public:
  // Maps at least `bytes`; the file is made, or made anew where its size differs. Errors name the
  // file; a file in use by another process is refused.
  static absl::StatusOr<FlowMemory> Map(const std::string& directory, uint32_t worker,
                                        size_t bytes);
  FlowMemory(FlowMemory&& other) noexcept;
  FlowMemory& operator=(FlowMemory&& other) = delete;
  ~FlowMemory();

  void* data() const { return data_; }

 private:
  FlowMemory() = default;
  UniqueFd file_;
  void* data_ = nullptr;
  size_t mapped_bytes_ = 0;
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_WORKER_FLOW_MEMORY_H_
