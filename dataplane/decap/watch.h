// One run of guideway-decap: programs on an interface, and a look, once a second, whether what was
// set up is still so.
//
// Looked at: the interface (deleted and made anew, or called otherwise), both programs (taken off),
// the addresses that were looked up (VIPs on lo, this host's own), and what `check` finds on the
// host. Thread safety: one thread at a time.
#ifndef GUIDEWAY_DATAPLANE_DECAP_WATCH_H_
#define GUIDEWAY_DATAPLANE_DECAP_WATCH_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dataplane/decap/attach.h"
#include "dataplane/decap/checks.h"
#include "dataplane/decap/config.h"
#include "lib/base/unique_fd.h"

namespace guideway {

// One process at a time puts programs on an interface, whatever it is called. FailedPrecondition,
// naming the process, if another one is at it. *problem: there is no lock to be had, and why.
absl::StatusOr<UniqueFd> LockForDecap(const Interface& interface, const std::string& directory,
                                      std::string* problem);

class DecapWatch {
 public:
  // Takes the interface, loads and attaches. INVALID_ARGUMENT: an option is wrong.
  static absl::StatusOr<std::unique_ptr<DecapWatch>> Start(const DecapOptions& options);

  // Mends what is not so any more and adopts what is new. An interface that is called otherwise is
  // served on, until another one has the name of --interface: then the programs go there. Returns
  // what it did and what it found, in lines for the log. An error: nothing is served now, and why;
  // the next look tries again. AlreadyExists: another tool has taken the place, which is for the
  // operator to decide.
  absl::StatusOr<std::vector<std::string>> Look();

  // Takes the programs off. Fine if the interface, or the programs, have gone.
  absl::Status Detach();

 private:
  explicit DecapWatch(const DecapOptions& options) : options_(options) {}
  absl::Status Load(const DecapConfig& config);
  std::vector<Finding> LookAtNames() const;
  void LookAtHost(std::vector<std::string>* lines);

  const DecapOptions options_;
  UniqueFd lock_;
  std::string lock_problem_;  // why there is none; empty: there is
  std::unique_ptr<DecapPrograms> programs_;
  std::vector<std::string> wrong_;  // on the host, as the log knows it
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_DECAP_WATCH_H_
