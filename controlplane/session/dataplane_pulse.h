// Whether the data plane moves, and what it says of itself on its board.
//
// Looks several times a second while a session lasts, and shows the data plane in turn that this
// process moves. Thread safety: loop thread only.
#ifndef GUIDEWAY_CONTROLPLANE_SESSION_DATAPLANE_PULSE_H_
#define GUIDEWAY_CONTROLPLANE_SESSION_DATAPLANE_PULSE_H_

#include <functional>
#include <optional>

#include "absl/time/time.h"
#include "controlplane/event_loop.h"
#include "lib/channel/beat_watch.h"
#include "lib/channel/controlplane_end.h"
#include "lib/channel/vitals.h"

namespace guideway {

class DataplanePulse {
 public:
  // `on_look` is called after each look at the board.
  DataplanePulse(EventLoop* loop, std::function<void()> on_look);
  ~DataplanePulse();
  DataplanePulse(const DataplanePulse&) = delete;
  DataplanePulse& operator=(const DataplanePulse&) = delete;

  // A data plane is there and owes its welcome.
  void OnConnected();
  // It has shaken hands; `end` is borrowed until OnLost().
  void OnReady(channel::ControlplaneEnd* end);
  // `hung`: it did not answer; it counts as silent until it does or is gone.
  void OnLost(bool hung);

  // For how long it has not moved; zero unless that is kSilenceLimit or more.
  absl::Duration Silence() const;
  // What it said last, in this session; all zero before.
  const channel::DataplaneVitals& vitals() const { return vitals_; }

 private:
  void Look();

  EventLoop* const loop_;
  const std::function<void()> on_look_;
  channel::ControlplaneEnd* end_ = nullptr;
  channel::BeatWatch watch_;
  std::optional<absl::Duration> silent_since_;  // as EventLoop::Now()
  channel::DataplaneVitals vitals_;
  EventLoop::TimerId timer_ = 0;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_SESSION_DATAPLANE_PULSE_H_
