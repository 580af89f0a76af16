// The configuration in force, and its copy on disk.
//
// At the start FILE (--config) and the copy that the state directory holds from the last run are
// compared: if the copy was changed through the API since this same content of FILE was loaded, the
// copy wins; in all other cases FILE does, unless it shrinks wildly against the copy (see
// DangerousShrinks) and `force` is false: then the copy stays in force. Which one won and why is
// logged. A copy that cannot be written at the start is a problem, and no reason not to serve.
// A change is checked, then kept on disk, then in force; if any step fails nothing has changed.
// Thread safety: none; all calls on the event loop's thread (or before it runs).
#ifndef GUIDEWAY_CONTROLPLANE_CONFIG_STORE_H_
#define GUIDEWAY_CONTROLPLANE_CONFIG_STORE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/base/unique_fd.h"
#include "lib/config/guideway.pb.h"

namespace guideway {

class ConfigStore {
 public:
  struct Options {
    std::string config_file;
    std::string state_directory;  // created if it does not exist; used by one process at a time
    bool force = false;           // a FILE that shrinks wildly is taken at the start, too
  };

  // What a change did, or would do.
  struct Change {
    std::vector<std::string> changes;   // in words; empty: nothing
    std::vector<std::string> warnings;  // dry runs: why it would be refused without force
  };

  // All that a change changes.
  struct Snapshot {
    v1::Config config;
    uint64_t version = 0;
    bool edited = false;
    std::string file_digest;
    std::optional<v1::Config> held_file;
  };

  // Loads the configuration. Errors name the file, and line, column and field if it has them.
  static absl::StatusOr<std::unique_ptr<ConfigStore>> Open(const Options& options);

  // Valid, defaults filled in.
  const v1::Config& config() const { return config_; }
  // Counts accepted changes, over restarts.
  uint64_t version() const { return version_; }
  // "FILE", "FILE, changed through the API", or "the kept copy, not FILE".
  std::string source() const;

  // Puts FILE in force, as it is now.
  absl::StatusOr<Change> Reload();
  // Puts `config` in force. INVALID_ARGUMENT names the fields; FAILED_PRECONDITION if it shrinks
  // dangerously and `force` is false. With `dry_run` nothing changes.
  absl::StatusOr<Change> Replace(v1::Config config, bool force, bool dry_run);

  Snapshot TakeSnapshot() const { return {config_, version_, edited_, file_digest_, held_file_}; }
  // Puts back what was. If that cannot be kept it is logged, and Problems() says so.
  void Restore(const Snapshot& snapshot);
  // Why the copy on disk is not what is in force, after another try to write it, and why FILE was
  // not taken. Empty: all is well.
  std::vector<std::string> Problems();

 private:
  explicit ConfigStore(const Options& options) : options_(options) {}

  absl::Status LockDirectory();
  absl::Status Load();
  // Puts in force and tries to keep it; that this fails is only a problem.
  void Adopt(v1::Config config, uint64_t version, bool edited, const std::string& file_digest);
  absl::StatusOr<Change> Put(v1::Config config, bool force, bool dry_run, bool edited,
                             const std::string& file_digest);
  absl::Status Keep(const v1::Config& config, uint64_t version, bool edited,
                    const std::string& file_digest) const;

  const Options options_;
  UniqueFd lock_;
  v1::Config config_;
  uint64_t version_ = 0;
  bool edited_ = false;                  // changed through the API since FILE was loaded
  std::string file_digest_;              // of FILE when it was loaded
  std::string keep_problem_;             // the copy on disk is not what is in force
  std::optional<v1::Config> held_file_;  // FILE that shrinks wildly and was not taken
  std::string held_reason_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_CONFIG_STORE_H_
