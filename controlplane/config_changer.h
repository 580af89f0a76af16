// Changes of the configuration, one after the other, each until the data plane has it or refuses
// it.
//
// A change is kept on disk, put in force, and then the outcome is awaited (the controller bounds
// the wait). What the data plane refuses is taken back, on disk and in force: the change fails with
// FAILED_PRECONDITION. Changes that come meanwhile wait for their turn, so that what is taken back
// is never somebody else's. Thread safety: loop thread only.
#ifndef GUIDEWAY_CONTROLPLANE_CONFIG_CHANGER_H_
#define GUIDEWAY_CONTROLPLANE_CONFIG_CHANGER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "controlplane/config_store.h"

namespace guideway {

// What became of a configuration in the data plane.
struct CommitOutcome {
  enum Kind { kInForce, kNotYet, kRefused };
  Kind kind = kInForce;
  std::string reason;  // empty if in force
};
using CommitDone = std::function<void(const CommitOutcome&)>;

class ConfigChanger {
 public:
  struct Result {
    ConfigStore::Change change;  // warnings: also that it is not yet in force
    uint64_t version = 0;        // of the configuration afterwards
  };
  using Edit = std::function<absl::StatusOr<ConfigStore::Change>(ConfigStore*)>;
  using Done = std::function<void(absl::StatusOr<Result>)>;
  using SetConfig = std::function<void(const v1::Config&, CommitDone)>;

  // `store` is borrowed. `set_config` must call back once, at once or later.
  ConfigChanger(ConfigStore* store, SetConfig set_config);

  // Calls `edit` in its turn and `done` once, at once or later.
  void Run(Edit edit, Done done);

 private:
  struct Waiting {
    Edit edit;
    Done done;
  };
  void Start(Waiting waiting);
  void Finish(const ConfigStore::Snapshot& before, Result result, const Done& done,
              const CommitOutcome& outcome);
  void Next();

  ConfigStore* const store_;
  const SetConfig set_config_;
  bool busy_ = false;
  std::deque<Waiting> waiting_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_CONFIG_CHANGER_H_
