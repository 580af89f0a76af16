// Looks at the verdict once a second: logs what becomes wrong and what is right again, and tells
// watchers.
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
};

class ProblemWatch {
 public:
  static constexpr absl::Duration kInterval = absl::Seconds(1);  // from one look to the next
  static constexpr int kItemsPerTurn = 200;                      // backends and VIPs

  // `loop` is borrowed and outlives this object.
  ProblemWatch(EventLoop* loop, ProblemWatchHooks hooks);
  ~ProblemWatch();
  ProblemWatch(const ProblemWatch&) = delete;
  ProblemWatch& operator=(const ProblemWatch&) = delete;

 private:
  void LookLater();
  void Continue();
  void Conclude();

  EventLoop* const loop_;
  const ProblemWatchHooks hooks_;
  EventLoop::TimerId timer_ = 0;
  StateCursor cursor_;
  v1::GetStateResponse state_;      // so far
  std::vector<v1::Problem> known_;  // of the last look
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_REPORT_PROBLEM_WATCH_H_
