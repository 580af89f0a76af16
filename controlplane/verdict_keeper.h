// Keeps the probes' verdicts, and what is held of them, over restarts, in
// DIRECTORY/health-verdicts.
//
// Written a second after one of these has changed, every minute, so that its age is known, and at
// the end; by a thread of its own, as a disk may take its time. The age goes by the kernel's clock
// since boot, which nobody sets; after a reboot by the wall clock. Thread safety: loop thread only.
#ifndef GUIDEWAY_CONTROLPLANE_VERDICT_KEEPER_H_
#define GUIDEWAY_CONTROLPLANE_VERDICT_KEEPER_H_

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controlplane/api/guideway_service.pb.h"
#include "controlplane/event_loop.h"
#include "controlplane/health/common_failures.h"
#include "controlplane/health/prober.h"

namespace guideway {

// The time of a file and of whoever reads it.
struct VerdictClock {
  std::string boot;  // the kernel's boot_id
  absl::Duration since_boot;
  absl::Time wall;

  static VerdictClock Now();
};

struct KeptHealth {
  std::vector<Verdict> verdicts = {};
  std::vector<CommonFailures::AddressHold> holds = {};
};

// What the file holds. `clock` is that of now.
std::string HealthToText(const KeptHealth& health, const VerdictClock& clock);
// With their ages, and what is left of holds, at `clock`; nothing if no age is known any more (the
// wall clock has been set back over a reboot). INVALID_ARGUMENT names the line.
absl::StatusOr<KeptHealth> HealthFromText(const std::string& text, const VerdictClock& clock);

class VerdictKeeper {
 public:
  // Appends some of the verdicts of the moment, as Prober::AppendVerdicts().
  using Append = std::function<std::string(const std::string& after, size_t count,
                                           std::vector<Verdict>* verdicts)>;

  // The same of what is held, as CommonFailures::AppendHolds().
  using AppendHolds = std::function<std::string(const std::string& after, size_t count,
                                                std::vector<CommonFailures::AddressHold>* holds)>;
  // Both are called until the end. Between two parts of one file verdicts may change: each is as it
  // was some milliseconds ago, and the next file will say so.
  VerdictKeeper(EventLoop* loop, std::string directory, Append append, AppendHolds append_holds);
  ~VerdictKeeper();  // KeepNow()
  VerdictKeeper(const VerdictKeeper&) = delete;
  VerdictKeeper& operator=(const VerdictKeeper&) = delete;

  // What was kept; nothing if it cannot be used, which is a problem and no error.
  KeptHealth Load();
  void Changed() { WriteIn(absl::Seconds(1)); }
  // Writes, waits until it is done, and writes no more: the end.
  void KeepNow();
  void FillStatus(v1::GetStatusResponse* status) const;

 private:
  void WriteIn(absl::Duration delay);
  void Write();
  void Collect();
  void Hand();
  void OnWritten(const absl::Status& status);

  EventLoop* loop_;
  const std::string directory_;
  const Append append_;
  const AppendHolds append_holds_;
  // Posted closures hold it: false once this object is gone.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  EventLoop::TimerId timer_ = 0;
  absl::Duration due_ = absl::InfiniteDuration();
  std::thread writer_;            // joinable: writes, or has written and told so
  bool writing_ = false;          // or collects what to write
  KeptHealth health_;             // collected so far
  bool verdicts_are_in_ = false;  // all of them; next come the holds
  std::string after_;             // those behind this identity or address are to come
  VerdictClock clock_;            // when the first of them was collected
  std::string damage_, problem_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_VERDICT_KEEPER_H_
