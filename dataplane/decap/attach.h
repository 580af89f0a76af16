// Loads the two programs, gives them their configuration, and puts them on the interface.
//
// Once attached they stay, whatever becomes of the process: the kernel holds them by the interface.
// Thread safety: one thread at a time.
#ifndef GUIDEWAY_DATAPLANE_DECAP_ATTACH_H_
#define GUIDEWAY_DATAPLANE_DECAP_ATTACH_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dataplane/decap/config.h"
#include "lib/base/unique_fd.h"

struct decap_bpf;

namespace guideway {

class DecapPrograms {
 public:
  // Loaded, configured, not attached. An error holds the end of the verifier's log, if that is why.
  static absl::StatusOr<std::unique_ptr<DecapPrograms>> Load(const DecapConfig& config);
  ~DecapPrograms();  // does not detach
  DecapPrograms(const DecapPrograms&) = delete;
  DecapPrograms& operator=(const DecapPrograms&) = delete;

  // Replaces programs of an earlier run. Refuses to replace an XDP program of another tool.
  absl::Status Attach();

  int xdp_fd() const;       // for BPF_PROG_TEST_RUN
  int tc_fd() const;        // likewise
  int verdicts_fd() const;  // a per-CPU array of uint64_t

 private:
  explicit DecapPrograms(const DecapConfig& config) : config_(config) {}
  absl::Status FillMaps();

  const DecapConfig config_;
  decap_bpf* program_ = nullptr;
};

// The XDP program of this tool on the interface; NotFound if there is none or another one.
absl::StatusOr<UniqueFd> AttachedProgram(const std::string& interface);

// Removes both programs. NotFound if the XDP program on the interface is not this tool's.
absl::Status DetachDecap(const std::string& interface);

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_DECAP_ATTACH_H_
