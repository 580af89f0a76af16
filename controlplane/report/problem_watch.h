// Looks at the verdict once a second: logs what becomes wrong and what is right again, and tells
// watchers. What is urgent is glanced at more often, and looked at when it changes.
//
// The state is gone through in short turns, as for the metrics. Thread safety: loop thread only.
#ifndef GUIDEWAY_CONTROLPLANE_REPORT_PROBLEM_WATCH_H_
#define GUIDEWAY_CONTROLPLANE_REPORT_PROBLEM_WATCH_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/api/guideway_service.pb.h"
#include "controlplane/event_loop.h"
#include "controlplane/state_cursor.h"

namespace guideway {

struct ProblemWatchHooks {
  // See Controller::FillStatePart().
  std::function<bool(int, StateCursor*, v1::GetStateResponse*)> fill_state_part;
  // All that components know.
  std::function<void(v1::GetStatusResponse*)> fill_status;
  // Told when the problems are other ones than before; not to call back.
  std::function<void(v1::WatchEvent)> publish;
  // Problems that come or go are to be told at once; short. Null: none.
  std::function<void(v1::GetStatusResponse*)> fill_urgent;
};

class ProblemWatch {
 public:
  static constexpr absl::Duration kInterval = absl::Seconds(1);  // from one look to the next
  // With the time that the parts themselves need it is less than 2 s until what hangs is named.
  static constexpr absl::Duration kGlance = absl::Milliseconds(100);
  static constexpr int kItemsPerTurn = 200;  // backends and VIPs

  // `loop` is borrowed and outlives this object.
  ProblemWatch(EventLoop* loop, ProblemWatchHooks hooks);
  ~ProblemWatch();
  ProblemWatch(const ProblemWatch&) = delete;
  ProblemWatch& operator=(const ProblemWatch&) = delete;

 private:
  void LookLater();
  void Wait();
  bool UrgentHasChanged();
  void Continue();
  void Conclude();

  EventLoop* const loop_;
  const ProblemWatchHooks hooks_;
  EventLoop::TimerId timer_ = 0;
  absl::Duration next_look_;         // as EventLoop::Now()
  std::vector<v1::Problem> urgent_;  // of the last glance
  StateCursor cursor_;
  v1::GetStateResponse state_;      // so far
  std::vector<v1::Problem> known_;  // of the last look
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_REPORT_PROBLEM_WATCH_H_
