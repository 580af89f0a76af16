// Rolls a version back that is not confirmed in time.
//
// The deadline is the store's, on disk: after a restart the timer goes on where it was, and a
// deadline that passed meanwhile is acted on when the store is opened. Thread safety: the store's
// thread only.
#ifndef GUIDEWAY_CONTROLPLANE_ROLLBACK_TIMER_H_
#define GUIDEWAY_CONTROLPLANE_ROLLBACK_TIMER_H_

#include <cstdint>

#include "controlplane/config_changer.h"
#include "controlplane/config_store.h"
#include "controlplane/event_loop.h"

namespace guideway {

class RollbackTimer {
 public:
  // All borrowed. `loop`: of the store's thread.
  RollbackTimer(EventLoop* loop, ConfigStore* store, ConfigChanger* changer);
  ~RollbackTimer();
  // After each change, see ConfigChanger::SetOnChange().
  void Update();

 private:
  void Arm(absl::Duration wait);
  void RollBack();

  EventLoop* const loop_;
  ConfigStore* const store_;
  ConfigChanger* const changer_;
  EventLoop::TimerId timer_ = 0;
  uint64_t armed_for_ = 0;  // version; 0: none
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_ROLLBACK_TIMER_H_
