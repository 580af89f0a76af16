// Named memory for a worker's flow table, so that a restarted data plane finds its flows again.
//
// A file "flows-<worker>" (flow_files.h) in a directory, best on hugetlbfs, else on tmpfs; locked
// while a data plane uses it. Start-up only; the mapping lives as long as the object.
#ifndef GUIDEWAY_DATAPLANE_FLOWS_FLOW_MEMORY_H_
#define GUIDEWAY_DATAPLANE_FLOWS_FLOW_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "lib/base/unique_fd.h"

namespace guideway {

// A directory that only we, or root, can put files into; made if it is not there.
absl::Status CheckFlowDirectory(const std::string& directory);
// The length of a file for so many bytes.
size_t FlowFileBytes(const std::string& directory, size_t bytes);
// The error of a file that another process has locked.
absl::Status InUse(const std::string& path);

class FlowMemory {
 public:
  // Maps at least `bytes`; the file is made, or made anew where its size differs. Errors name the
  // file; a file in use by another process is refused, one that cannot be locked is not.
  static absl::StatusOr<FlowMemory> Map(const std::string& directory, uint32_t worker,
                                        size_t bytes);
  // The same for one file, `bytes` long. For Map(), and to put back what made room.
  static absl::StatusOr<FlowMemory> MapFile(const std::string& path, size_t bytes);
  FlowMemory(FlowMemory&& other) noexcept;
  FlowMemory& operator=(FlowMemory&& other) noexcept;
  ~FlowMemory();

  void* data() const { return data_; }
  // Why another process would not be kept from the file; empty: it is locked.
  const std::string& lock_problem() const { return lock_problem_; }

 private:
  FlowMemory() = default;
  UniqueFd file_;
  std::string lock_problem_;
  void* data_ = nullptr;
  size_t mapped_bytes_ = 0;
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_FLOWS_FLOW_MEMORY_H_
