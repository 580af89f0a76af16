// Every accepted version of the configuration, one numbered file each, below the state directory.
//
// DIRECTORY/versions/0000000042 is a state file (state_file.h): a checksum, lines "KEY VALUE" about
// the version, "---", and the configuration as YAML, secret included. A file is written whole or
// not at all; the newest one that is whole and valid is what was in force. DIRECTORY/versions/
// newest.copy is the newest one again: if that is damaged or gone nothing is lost. Thread safety:
// none.
#ifndef GUIDEWAY_CONTROLPLANE_VERSION_STORE_H_
#define GUIDEWAY_CONTROLPLANE_VERSION_STORE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controlplane/state_file.h"
#include "lib/config/guideway.pb.h"

namespace guideway {

// A version that is rolled back unless it is confirmed in time.
struct Unconfirmed {
  absl::Time deadline;       // wall clock, so that it outlasts a restart
  absl::Duration within;     // what was asked for: a clock set back does not prolong it
  uint64_t rollback_to = 0;  // version
};

// All about a version but its configuration.
struct VersionInfo {
  uint64_t version = 0;
  bool edited = false;      // through the API since FILE was loaded
  std::string file_digest;  // of FILE when it was loaded last
  absl::Time accepted;
  std::string who;     // PeerIdentity::ToString()
  std::string action;  // "Apply", "SetBackend", "reload", "start" ...
  std::string note;
  std::optional<Unconfirmed> unconfirmed;
  bool failed_starts = false;  // it did not get through StartAttempts::kFailuresAllowed starts
  bool fell_back = false;      // made by the control plane, because another one failed its starts
  uint64_t copy_of = 0;        // the version that was put back as this one; 0: none
};
struct KeptVersion {
  VersionInfo info;
  v1::Config config;  // valid, defaults filled in
};

class VersionStore {
 public:
  explicit VersionStore(const std::string& state_directory,
                        FileOperations* operations = FileOperations::System());

  // Keeps a new version, or replaces what is said about one; makes the folder. After an error
  // nothing has changed, as far as the disk allows.
  absl::Status Write(const KeptVersion& kept);
  // NOT_FOUND if it is not kept, DATA_LOSS or INVALID_ARGUMENT if it cannot be used; names the
  // file.
  absl::StatusOr<KeptVersion> Read(uint64_t version) const;
  absl::StatusOr<VersionInfo> ReadInfo(uint64_t version) const;
  // Numbers of the files, whether they can be used or not, in ascending order.
  std::vector<uint64_t> List() const;
  // Whether there is any of these files, or a good copy.
  bool HasAny() const { return !List().empty() || CopiedVersion() != 0; }
  // The newest version that can be used, those that have failed their starts last; NOT_FOUND if
  // none is kept at all. `problems` gets one line for each newer one that is damaged, and for the
  // newest one if it is gone, also if the copy has mended it.
  absl::StatusOr<KeptVersion> ReadNewest(std::vector<std::string>* problems);

  // Says of a kept version, and of what it is a copy of, that it has failed its starts.
  void MarkFailed(uint64_t version);
  // Why the newest version has no copy; empty: it has.
  const std::string& copy_problem() const { return copy_problem_; }

  // Somebody has removed the file of a version that was kept.
  bool IsGone(uint64_t version) const;

  // Forgets all versions after this one. The copy goes first, so that none of them comes back.
  absl::Status RemoveAfter(uint64_t version);
  // Forgets the oldest versions but `count`, and never `spared`.
  absl::Status Prune(size_t count, uint64_t spared);

 private:
  absl::StatusOr<std::string> ReadText(uint64_t version) const;
  absl::StatusOr<std::string> ReadCopy() const;
  // The version that the copy is of; 0: there is none that can be used.
  uint64_t CopiedVersion() const;
  // From its own file, or else from its copy.
  absl::StatusOr<KeptVersion> ReadEither(uint64_t version,
                                         std::vector<std::string>* problems) const;
  absl::StatusOr<KeptVersion> Parse(uint64_t version, const std::string& text) const;
  std::string PathOf(uint64_t version) const;

  const std::string state_directory_;
  const std::string directory_;
  FileOperations* const operations_;
  std::string copy_problem_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_VERSION_STORE_H_
