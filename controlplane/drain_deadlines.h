// The ends of drains: backends whose disable_at has come count as disabled.
//
// A drain ends when the wall clock says so, and not before as much time has passed as was left when
// the deadline was first seen: a clock that is set ahead cuts no connections. One that is set back
// makes the drain longer, but does not undo its end. If the clock was behind when the deadline was
// seen, and is set right since, the drain lasts too long, by a day at most. Over a restart of this
// process nothing but the wall clock counts. Thread safety: one thread.
#ifndef GUIDEWAY_CONTROLPLANE_DRAIN_DEADLINES_H_
#define GUIDEWAY_CONTROLPLANE_DRAIN_DEADLINES_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "lib/config/guideway.pb.h"

namespace guideway {

class DrainDeadlines {
 public:
  // Sets the state of each drained backend whose time has come to disabled, and logs that once.
  // `config` is valid. `wall` and `now` (monotonic) are the same moment. True: somebody's time has
  // come.
  bool Apply(absl::Time wall, absl::Duration now, v1::Config* config);
  // When (monotonic) to look again; InfiniteDuration(): nobody's time will come.
  absl::Duration next() const { return next_; }

 private:
  struct Drain {
    uint64_t round = 0;         // it was seen in last
    absl::Duration not_before;  // monotonic
    bool is_over = false;
  };
  bool IsOver(absl::Time at, absl::Time wall, absl::Duration now, Drain* drain);

  // By address and disable_at.
  std::map<std::pair<std::string, std::string>, Drain> drains_;
  uint64_t round_ = 0;
  absl::Duration next_ = absl::InfiniteDuration();
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_DRAIN_DEADLINES_H_
