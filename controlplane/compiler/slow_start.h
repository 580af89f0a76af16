// Slow start of a pool's backends: who begins to take flows gets its share little by little.
//
// A backend's weight grows in kSteps steps from 1/11 to 10/11 of what it is, then it is full. All
// that are starting in a pool step at the same moments, multiples of a tenth of the time, so that a
// pool's table is built at most kSteps times within its slow start, however many backends start;
// for the same reason a start takes up to a tenth less. Whoever takes flows when the pool is first
// seen is full: a restart of this process starts nothing slowly. A pure bookkeeper, one a pool:
// time is passed in. Thread safety: one thread.
#ifndef GUIDEWAY_CONTROLPLANE_COMPILER_SLOW_START_H_
#define GUIDEWAY_CONTROLPLANE_COMPILER_SLOW_START_H_

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "absl/time/time.h"
#include "lib/hash/maglev.h"

namespace guideway {

class SlowStart {
 public:
  static constexpr uint32_t kSteps = 10;

  // Sets the weights of `takers`, the backends that take new flows from `now` (monotonic) on, to
  // what is due. Those that were not there the last time begin to start. With `duration` 0 nobody
  // does, and the next call with another one is a first sight.
  // If some start, the others' weights may be multiplied, which changes no table.
  void Update(absl::Duration duration, absl::Duration now, std::vector<MaglevBackend>* takers);

  // How many (kSteps + 1)ths of its weight a backend that starts has; 0: it does not.
  uint32_t StepOf(uint16_t index) const;
  // When weights change next; InfiniteDuration(): nobody starts.
  absl::Duration NextStep() const { return next_step_; }

 private:
  void SetSteps(absl::Duration duration, absl::Duration now);
  void Scale(std::vector<MaglevBackend>* takers) const;

  bool seen_ = false;
  std::set<uint16_t> takers_;                  // of the last time
  std::map<uint16_t, absl::Duration> starts_;  // since when
  std::map<uint16_t, uint32_t> steps_;         // of the same backends, from 1 to kSteps
  absl::Duration next_step_ = absl::InfiniteDuration();
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_COMPILER_SLOW_START_H_
