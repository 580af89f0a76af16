// Loads the two programs, gives them their configuration, and puts them on the interface.
//
// Once attached they stay, whatever becomes of the process: the kernel holds them by the interface.
// Thread safety: one thread at a time.
#ifndef GUIDEWAY_DATAPLANE_DECAP_ATTACH_H_
#define GUIDEWAY_DATAPLANE_DECAP_ATTACH_H_

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dataplane/bpf/attachment.h"
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

  // Replaces programs of an earlier run. AlreadyExists, naming the other program, if one of another
  // tool is in the way; then nothing of ours is left behind, either.
  absl::Status Attach();
  // What of it is not on the interface any more, in words; empty: all is there.
  absl::StatusOr<std::vector<std::string>> Missing() const;
  // Takes over VIPs, local addresses and the interface's name of a configuration that differs in
  // nothing else. Returns what has changed in the maps, in words.
  absl::StatusOr<std::vector<std::string>> Update(const DecapConfig& config);

  const DecapConfig& config() const { return config_; }
  int xdp_fd() const;       // for BPF_PROG_TEST_RUN
  int tc_fd() const;        // likewise
  int verdicts_fd() const;  // a per-CPU array of uint64_t

 private:
  explicit DecapPrograms(const DecapConfig& config) : config_(config) {}
  absl::Status FillMaps();
  Interface interface() const;

  DecapConfig config_;  // what the maps hold
  decap_bpf* program_ = nullptr;
};

// The XDP program of this tool on the interface; NotFound if there is none or another one.
absl::StatusOr<UniqueFd> AttachedProgram(const std::string& interface);

// What the programs on an interface hold, of whichever process they are.
struct AttachedState {
  std::set<IpAddress> vips;
  std::set<IpAddress> locals;
  bool vips_looked_up = false;    // else given by --vip
  bool locals_looked_up = false;  // else given by --local
  bool tc = false;                // whether the tc program is there, too
};
absl::StatusOr<AttachedState> ReadAttachedState(const std::string& interface);

// The map of that name of a program. NotFound if it uses none.
absl::StatusOr<UniqueFd> MapOf(int program_fd, const std::string& name);

// Removes both programs. NotFound if the XDP program on the interface is not this tool's.
absl::Status DetachDecap(const Interface& interface);

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_DECAP_ATTACH_H_
