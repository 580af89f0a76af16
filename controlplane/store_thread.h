// The configuration store with its changes, their audit log and the rollback timer, on a thread of
// their own: the store's loop.
//
// Checking, comparing and writing a large configuration takes half a second, and a disk may take
// any time. The controller's loop has no such time, so it never waits for this thread: it hands
// over what is to be done here, and reads what was so last (StoreView). This thread may wait for
// the controller's loop, which answers in milliseconds. An accepted configuration goes there as a
// copy, and what becomes of it comes back.
//
// Thread safety: as noted at each function.
#ifndef GUIDEWAY_CONTROLPLANE_STORE_THREAD_H_
#define GUIDEWAY_CONTROLPLANE_STORE_THREAD_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/time/time.h"
#include "controlplane/api/guideway_service.pb.h"
#include "controlplane/audit_log.h"
#include "controlplane/config_changer.h"
#include "controlplane/config_store.h"
#include "controlplane/event_loop.h"
#include "controlplane/rollback_timer.h"
#include "controlplane/store_view.h"

namespace guideway {

class StoreThread {
 public:
  // All are called on the store's thread.
  struct Hooks {
    // Puts a configuration in force elsewhere. `done` is to be called once, on any thread; that it
    // never is holds up later changes until EndChanges().
    std::function<void(std::shared_ptr<v1::Config>, CommitDone done)> set_config;
    // Another version is the newest one; a status shows it already. Not after EndChanges().
    std::function<void(uint64_t version)> on_version;
    ConfigStore::CapacityCheck beyond_capacity;
    // Another process has taken the state directory from this one, which must end.
    std::function<void()> on_replaced;
  };

  // Notes the start in the audit log. The thread does not run yet.
  // `hung_after`: so long the store may be busy until that is a problem; the largest configuration
  // takes it a second or two.
  StoreThread(std::unique_ptr<ConfigStore> store, const std::string& audit_file, Hooks hooks,
              absl::Duration hung_after = absl::Seconds(5));
  // Waits for what is being done and drops the rest.
  ~StoreThread();
  StoreThread(const StoreThread&) = delete;
  StoreThread& operator=(const StoreThread&) = delete;

  // For use on the store's thread, or before it runs.
  ConfigStore* store() { return store_.get(); }
  ConfigChanger* changer() { return &changer_; }

  // Begins with what was handed over meanwhile. Once, on the thread that made this object. An
  // error: this host has no thread for it, and nothing of that is done.
  absl::Status Start();

  // Runs `work` on the store's thread and waits for it, which may take long; false if it has ended.
  // Any thread but the controller loop's.
  bool Call(std::function<void()> work) { return loop_->Call(std::move(work), "api"); }
  // The same, soon. Any thread.
  void Post(std::function<void()> work) { loop_->Post(std::move(work)); }
  // As ConfigChanger::Run(), soon; `done` is called on the store's thread. Any thread.
  void Run(ChangeOrigin origin, ConfigChanger::Edit edit, ConfigChanger::Done done);
  // Puts FILE in force, soon. Any thread.
  void Reload();
  // See ConfigStore. Any thread.
  void StartSucceeded();

  // What the store said last, at once. It is asked anew for the next time: problems may be over.
  // Any thread.
  void FillStatus(v1::GetStatusResponse* status);
  // The same, but if there are problems it waits a moment for the store to try again. Any thread
  // but the two loops'.
  void FillFreshStatus(v1::GetStatusResponse* status);

  // No outcome is awaited any more: whoever awaits one is told so, and it is in the audit log. All
  // other changes, also those to come, are refused. False: the store is still busy after
  // `patience`, so this is yet to be done. On any thread but the store's; the controller's loop may
  // have stopped.
  bool EndChanges(absl::Duration patience);

 private:
  void PutInForce(const v1::Config& config, CommitDone done);
  void Conclude(uint64_t ticket, const CommitOutcome& outcome);
  void WatchPlace();
  void Refresh();
  void AddHung(v1::GetStatusResponse* status);

  const Hooks hooks_;
  const absl::Duration hung_after_;
  // Shared with outcomes that come after the end.
  const std::shared_ptr<EventLoop> loop_ = std::make_shared<EventLoop>();
  // The store's thread only.
  std::unique_ptr<ConfigStore> store_;
  AuditLog audit_;
  ConfigChanger changer_;
  RollbackTimer rollback_timer_;
  std::map<uint64_t, CommitDone> awaited_;  // outcomes, by ticket
  uint64_t last_ticket_ = 0;
  // Any thread.
  StoreView view_;
  std::mutex mutex_;  // guards the next two
  bool ending_ = false;
  std::optional<absl::Duration> asked_at_;  // for a refresh that has not come yet, MonotonicNow()

  std::thread thread_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_STORE_THREAD_H_
