// Who still moves: the workers and the control plane, as the manager sees them.
//
// Look() several times a second; what changes is logged once. Manager thread only.
#ifndef GUIDEWAY_DATAPLANE_MANAGER_VITAL_SIGNS_H_
#define GUIDEWAY_DATAPLANE_MANAGER_VITAL_SIGNS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "dataplane/worker/worker.h"
#include "lib/channel/beat_watch.h"
#include "lib/channel/dataplane_end.h"
#include "lib/channel/vitals.h"

namespace guideway {

class VitalSigns {
 public:
  // `workers` is borrowed.
  explicit VitalSigns(const std::vector<std::unique_ptr<Worker>>* workers);

  // `now` monotonic; the channel is looked at, too. True: somebody has stopped or moves again.
  bool Look(absl::Duration now, channel::DataplaneEnd* channel);

  // Zero unless it has not moved for kSilenceLimit.
  absl::Duration WorkerSilence(uint32_t worker) const;
  // Zero unless it has not moved for kControlplaneSilenceLimit.
  absl::Duration ControlplaneSilence() const { return controlplane_silence_; }
  void Fill(channel::DataplaneVitals* vitals) const;

 private:
  const std::vector<std::unique_ptr<Worker>>* const workers_;
  std::vector<channel::BeatWatch> watches_;  // by worker
  std::vector<bool> named_;                  // by worker: it was logged that it does not move
  absl::Duration controlplane_silence_;
  uint32_t silent_process_id_ = 0;  // logged
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_MANAGER_VITAL_SIGNS_H_
