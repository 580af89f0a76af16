// Changes of the configuration, one after the other, each until the data plane has it or refuses
// it.
//
// A change is kept on disk, put in force, and then the outcome is awaited (the controller bounds
// the wait). What the data plane refuses is taken back, on disk and in force: the change fails with
// FAILED_PRECONDITION. Changes that come meanwhile wait for their turn, so that what is taken back
// is never somebody else's. Every change that is asked for goes into the audit log with its
// outcome. Thread safety: the store's thread only.
#ifndef GUIDEWAY_CONTROLPLANE_CONFIG_CHANGER_H_
#define GUIDEWAY_CONTROLPLANE_CONFIG_CHANGER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "controlplane/audit_log.h"
#include "controlplane/config_store.h"
#include "controlplane/peer_identity.h"

namespace guideway {

// What became of a configuration in the data plane.
struct CommitOutcome {
  enum Kind { kInForce, kNotYet, kRefused };
  Kind kind = kInForce;
  std::string reason;                      // empty if in force
  std::vector<std::string> warnings = {};  // of what is in force, or will be: "pool web: ..."
};
using CommitDone = std::function<void(const CommitOutcome&)>;

// Who asks for a change, and how.
struct ChangeOrigin {
  PeerIdentity who;
  std::string action;    // "Apply", "SetBackend", "reload" ...
  bool dry_run = false;  // changes nothing, so it is not in the audit log
};

class ConfigChanger {
 public:
  struct Result {
    ConfigStore::Change change;  // warnings: also that it is not yet in force
    uint64_t version = 0;        // of the configuration afterwards
  };
  using Edit = std::function<absl::StatusOr<ConfigStore::Change>(ConfigStore*)>;
  using Done = std::function<void(absl::StatusOr<Result>)>;
  using SetConfig = std::function<void(const v1::Config&, CommitDone)>;

  // `store` and `audit` are borrowed; `audit` may be null. `set_config` must call back once, at
  // once or later. What it is given for that is small, so that any thread may drop it.
  ConfigChanger(ConfigStore* store, SetConfig set_config, AuditLog* audit = nullptr);
  // Called after each change, whatever its outcome.
  void SetOnChange(std::function<void()> on_change) { on_change_ = std::move(on_change); }

  // Calls `edit` in its turn and `done` once, at once or later.
  void Run(ChangeOrigin origin, Edit edit, Done done);
  // Refuses those that wait for their turn and those to come, with UNAVAILABLE.
  void Stop();
  // For the audit log: what changes something else than the configuration. `change`: in words.
  void RecordOrder(const ChangeOrigin& origin, const std::string& change,
                   const absl::Status& status);

 private:
  struct Waiting {
    ChangeOrigin origin;
    Edit edit;
    Done done;
  };
  // Whose outcome is awaited.
  struct Started {
    ConfigStore::Snapshot before;
    ChangeOrigin origin;
    Result result;
    Done done;
  };
  void Start(Waiting waiting);
  void Finish(const Started& change, const CommitOutcome& outcome);
  void Refuse(const Waiting& waiting);
  void Next();
  void Record(const ChangeOrigin& origin, const std::vector<std::string>& changes,
              const std::string& result);

  ConfigStore* const store_;
  const SetConfig set_config_;
  AuditLog* const audit_;
  std::function<void()> on_change_;
  std::optional<Started> started_;
  std::deque<Waiting> waiting_;
  bool stopped_ = false;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_CONFIG_CHANGER_H_
