// The configuration in force, and its copy on disk.
//
// At the start FILE (--config) and the newest version that the state directory holds are compared:
// if that was changed through the API since this same content of FILE was loaded, it wins; in all
// other cases FILE does, unless it cannot be read, is wrong, or shrinks wildly against it (see
// lib/config/shrink.h; `force` takes it): then the kept version stays in force. What did not get
// through StartAttempts::kFailuresAllowed starts gives way to the version before it. Which one won
// and why is logged, and Problems() has it while it is not FILE. What cannot be written or read in
// the state directory is a problem, and no reason not to serve. A change is checked, then kept on
// disk, then in force; if any step fails nothing has changed. A change with `confirm_within` is
// rolled back (by RollBackUnconfirmed(), see rollback_timer.h) unless Confirm() comes in time;
// until then all other changes are refused, so that nothing else goes with it. Thread safety: none;
// all calls on the store's thread, see store_thread.h (or before it runs).
#ifndef GUIDEWAY_CONTROLPLANE_CONFIG_STORE_H_
#define GUIDEWAY_CONTROLPLANE_CONFIG_STORE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controlplane/report/problem_kind.h"
#include "controlplane/start_attempts.h"
#include "controlplane/state_file.h"
#include "controlplane/state_lock.h"
#include "controlplane/version_store.h"
#include "lib/config/guideway.pb.h"

namespace guideway {

class ConfigStore {
 public:
  struct Options {
    std::string config_file;      // may be empty if there are kept versions
    std::string state_directory;  // created if it does not exist; used by one process at a time
    bool force = false;           // a FILE that shrinks wildly is taken at the start, too
    FileOperations* operations = FileOperations::System();
    // Whether the process hangs that uses the directory; null: it does not. See StateLock.
    std::function<bool()> holder_hangs = {};
  };

  // What a change did, or would do.
  struct Change {
    std::vector<std::string> changes;   // in words; empty: nothing
    std::vector<std::string> warnings;  // dry runs: why it would be refused without force
  };
  struct ReplaceOptions {
    bool force = false;
    bool dry_run = false;
    absl::Duration confirm_within;  // 0: it stays
  };

  // All that a change changes.
  struct Snapshot {
    KeptVersion current;
    std::optional<v1::Config> before;
    std::optional<v1::Config> held_file;
    std::string file_refused;
  };

  // Loads the configuration. Fails if there is nothing that could be served, naming file, line,
  // column and field, or if another control plane uses the state directory.
  static absl::StatusOr<std::unique_ptr<ConfigStore>> Open(const Options& options);
  // An end in order is no failed start.
  ~ConfigStore() { attempts_.End(); }
  // What was loaded works: its tables are in force, or the process has lived with it for a while.
  void StartSucceeded() { attempts_.End(); }

  // Valid, defaults filled in.
  const v1::Config& config() const { return current_.config; }
  // Counts accepted changes, over restarts.
  uint64_t version() const { return current_.info.version; }
  // "FILE", "FILE, changed through the API", or "the kept copy, not FILE".
  std::string source() const;
  // Of the version in force, while it awaits its confirmation.
  const std::optional<Unconfirmed>& unconfirmed() const { return current_.info.unconfirmed; }
  // What became of the last version that was not confirmed, since the start; empty: there was none.
  const std::string& last_rollback() const { return last_rollback_; }

  // Who makes the next changes, and how: kept with each version.
  void SetOrigin(const std::string& who, const std::string& action);
  // What the data plane cannot hold of a configuration, in words.
  using CapacityCheck = std::function<std::vector<std::string>(const v1::Config&)>;
  void SetCapacityCheck(CapacityCheck check) { capacity_check_ = std::move(check); }
  std::vector<std::string> BeyondCapacity(const v1::Config& config) const;

  // Puts FILE in force, as it is now. If that fails Problems() says so until a change succeeds.
  absl::StatusOr<Change> Reload();
  // FILE was read and did not come into force after all: the data plane refused it.
  void FileRefused(const absl::Status& why);
  // Puts `config` in force. INVALID_ARGUMENT names the fields; FAILED_PRECONDITION if it shrinks
  // dangerously or is beyond capacity and `force` is false, or if a version awaits its
  // confirmation. With `dry_run` nothing changes.
  absl::StatusOr<Change> Replace(v1::Config config, const ReplaceOptions& options);
  absl::StatusOr<Change> Replace(v1::Config config, bool force, bool dry_run) {
    return Replace(std::move(config), {.force = force, .dry_run = dry_run, .confirm_within = {}});
  }
  // Puts the content of a kept version in force, as a new version. Also ends the wait for a
  // confirmation.
  absl::StatusOr<Change> RollBack(uint64_t version, const ReplaceOptions& options);
  // The version in force stays. FAILED_PRECONDITION: it does not await a confirmation.
  absl::StatusOr<Change> Confirm();
  // Puts back what was before the version that awaits its confirmation, also if that cannot be kept
  // on disk. FAILED_PRECONDITION: none does.
  absl::StatusOr<Change> RollBackUnconfirmed();

  // Newest first; versions that cannot be used come with the reason.
  std::vector<std::pair<uint64_t, absl::StatusOr<VersionInfo>>> History() const;

  Snapshot TakeSnapshot() const { return {current_, before_, held_file_, file_refused_}; }
  // Puts back what was. If that cannot be kept it is logged, and Problems() says so.
  void Restore(const Snapshot& snapshot);
  // Why the copy on disk is not what is in force, after another try to write it, which kept
  // versions could not be used at the start, and why FILE was not taken. Empty: all is well.
  std::vector<ProblemNote> Problems();
  // False: another process has taken the directory from this one, which had hung and must end.
  bool HoldsDirectory() const { return lock_.IsHeld(); }
  // The same. Makes anew what somebody has removed of the lock and of the version in force; about
  // every second.
  bool WatchDirectory();

 private:
  explicit ConfigStore(const Options& options)
      : options_(options),
        versions_(options.state_directory, options.operations),
        attempts_(options.state_directory) {}

  // What happens at the start is in config_store_start.cc.
  absl::Status Load();
  absl::Status LoadFile(const absl::StatusOr<std::string>& text, const std::string& digest,
                        absl::StatusOr<KeptVersion> kept);
  // Puts back the version before what has failed its starts. False: there is none.
  bool FallBack(const std::string& file_digest, const StartAttempts::Failures& failures);
  // Whether the kept version stays, because FILE shrinks wildly against it.
  bool HoldBack(const KeptVersion& kept, v1::Config* from_file);
  void RollBackIfOverdue();
  // Puts in force and tries to keep it; that this fails is only a problem.
  void Adopt(KeptVersion next);
  void KeepCurrent();
  // `config` as a version of its own, with a note of what it changes and why.
  KeptVersion NextVersion(v1::Config config, const std::vector<std::string>& changes,
                          const std::string& why) const;
  struct Source {
    bool edited = false;
    std::string file_digest;
    std::string why;            // for the note; may be empty
    uint64_t copy_of = 0;       // see VersionInfo
    bool ends_waiting = false;  // allowed while a version awaits its confirmation
  };
  absl::StatusOr<Change> ReloadFile();
  // FILE has changed and says the same as `config`, as after `guideway apply -f FILE`: that counts
  // as reading it again, so that later edits outlast a restart. Else nothing.
  std::optional<std::string> DigestOfNewFileIf(const v1::Config& config) const;
  // The change has succeeded: what was wrong before it is over.
  void Settled();
  absl::StatusOr<Change> Put(v1::Config config, const ReplaceOptions& options,
                             const Source& source);
  // Also forgets versions that are too old.
  absl::Status Keep(const KeptVersion& kept);
  bool IsEditOf(const VersionInfo& info) const;

  const Options options_;
  StateLock lock_;
  VersionStore versions_;
  StartAttempts attempts_;
  KeptVersion current_;
  std::string who_ = "the control plane";
  std::string action_ = "start";
  CapacityCheck capacity_check_;      // may be null
  std::optional<v1::Config> before_;  // what was before an unconfirmed version
  std::string last_rollback_;
  std::vector<std::string> damaged_;     // versions that could not be used at the start
  bool refused_left_ = false;            // a version that was taken back is still on disk
  std::string keep_problem_;             // the copy on disk is not what is in force
  std::optional<v1::Config> held_file_;  // FILE that shrinks wildly and was not taken
  std::string held_reason_;
  std::string file_refused_;     // why FILE is not in force: at the start or by a reload
  std::string rollback_failed_;  // an unconfirmed version stays
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_CONFIG_STORE_H_
