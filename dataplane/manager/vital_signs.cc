#include "dataplane/manager/vital_signs.h"

#include <glog/logging.h>

#include <algorithm>

namespace guideway {

VitalSigns::VitalSigns(const std::vector<std::unique_ptr<Worker>>* workers)
    : workers_(workers), watches_(workers->size()), named_(workers->size()) {}

absl::Duration VitalSigns::WorkerSilence(uint32_t worker) const {
  const absl::Duration silence = watches_[worker].silence();
  return silence >= channel::kSilenceLimit ? silence : absl::ZeroDuration();
}

bool VitalSigns::Look(absl::Duration now, channel::DataplaneEnd* channel) {
  bool changed = false;
  for (uint32_t i = 0; i < watches_.size(); ++i) {
    watches_[i].Look((*workers_)[i]->beat_ns(), now);
    const bool silent = WorkerSilence(i) > absl::ZeroDuration();
    if (silent == named_[i]) continue;
    named_[i] = silent;
    changed = true;
    if (silent) {
      LOG(ERROR) << "worker " << i << " does not move: packets of its queues are lost";
    } else {
      LOG(WARNING) << "worker " << i << " moves again";
    }
  }
  const absl::Duration silence = channel->LookAtPeer(now);
  controlplane_silence_ = channel->peer_hangs() ? silence : absl::ZeroDuration();
  const uint32_t silent = channel->peer_hangs() ? channel->peer_process_id() : 0;
  if (silent == silent_process_id_) return changed;
  if (silent != 0) {
    LOG(ERROR) << "the control plane, process " << silent
               << ", does not move: forwarding goes on, but nothing probes; another one that "
                  "connects takes its place";
  } else if (channel->peer_process_id() == silent_process_id_) {
    LOG(WARNING) << "the control plane, process " << silent_process_id_ << ", moves again";
  }
  silent_process_id_ = silent;
  return true;
}

void VitalSigns::Fill(channel::DataplaneVitals* vitals) const {
  for (uint32_t i = 0; i < watches_.size(); ++i) {
    vitals->worker_silent_ms[i] = static_cast<uint32_t>(
        std::min<int64_t>(absl::ToInt64Milliseconds(WorkerSilence(i)), UINT32_MAX));
  }
}

}  // namespace guideway
