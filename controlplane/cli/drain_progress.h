// When a drained backend is empty, judged by what the daemon says of it again and again.
//
// The data plane's count of its flows decides, once it is 0 for kFresh: what the daemon says may be
// a second old. Where there is no count, packets do: a backend without packets for the quiet time
// counts as empty, though flows that keep silent for longer may be there.
// A pure bookkeeper: time is passed in. Thread safety: one thread.
#ifndef GUIDEWAY_CONTROLPLANE_CLI_DRAIN_PROGRESS_H_
#define GUIDEWAY_CONTROLPLANE_CLI_DRAIN_PROGRESS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"

namespace guideway::cli {

class DrainProgress {
 public:
  static constexpr absl::Duration kFresh = absl::Seconds(2);

  explicit DrainProgress(absl::Duration quiet_time) : quiet_time_(quiet_time) {}

  // What was seen at `now` (any monotonic time). `packets`: that the backend has got since ever; a
  // restart of the data plane may take it back to 0. `flows`: nothing if they are not counted.
  void Add(absl::Duration now, uint64_t packets, std::optional<uint64_t> flows);

  // False before the first Add().
  bool empty() const;
  std::optional<uint64_t> flows() const { return flows_; }
  // "37 flows left, 120 packets/s"; without a count "120 packets/s" or "no packet for 12 s".
  std::string Text() const;

 private:
  const absl::Duration quiet_time_;
  bool seen_ = false;
  absl::Duration now_;            // of the last Add()
  absl::Duration quiet_since_;    // when packets were last new, or the first Add()
  absl::Duration no_flow_since_;  // when flows were last counted that were there, likewise
  uint64_t packets_ = 0;
  double packets_per_second_ = 0;
  std::optional<uint64_t> flows_;
};

}  // namespace guideway::cli

#endif  // GUIDEWAY_CONTROLPLANE_CLI_DRAIN_PROGRESS_H_
