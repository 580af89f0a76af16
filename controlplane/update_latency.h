// How long it takes from a change of a backend's health to the tables in force that follow from it.
//
// In force: every worker has passed the point after which it uses the new tables. The newest 256
// changes count. Time is passed in. Thread safety: one thread.
#ifndef GUIDEWAY_CONTROLPLANE_UPDATE_LATENCY_H_
#define GUIDEWAY_CONTROLPLANE_UPDATE_LATENCY_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace guideway {

class UpdateLatency {
 public:
  // The health of a backend of `pool` has changed.
  void Changed(const std::string& pool, absl::Duration now) { changed_[pool].push_back(now); }
  // The pool's tables have been made anew; they go out with the next Sent().
  void Compiled(const std::string& pool);
  // What was compiled so far is on its way as the tables of `ticket`.
  void Sent(uint64_t ticket);
  // The tables of `ticket`, and all before them, are in force since then.
  void InForce(uint64_t ticket, absl::Duration since);
  // What is on its way may never arrive.
  void Forget();

  uint64_t count() const { return count_; }  // ever
  // The time that `share` (0..1) of the newest changes took at most; 0 if there are none.
  absl::Duration Quantile(double share) const;

 private:
  static constexpr size_t kNewest = 256;
  struct Update {
    uint64_t ticket = 0;
    absl::Duration changed;
  };

  std::map<std::string, std::vector<absl::Duration>> changed_;
  std::vector<absl::Duration> compiled_;
  std::deque<Update> sent_;
  std::vector<absl::Duration> took_;  // a ring
  uint64_t count_ = 0;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_UPDATE_LATENCY_H_
