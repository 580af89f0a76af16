// Keeps the log from stopping or killing its process, whatever becomes of who reads it.
//
// While a LogRelay lives, file descriptor 2 is a pipe of our own that nobody has to wait for: one
// thread empties it into a bounded queue, another one writes the queue to the former stderr and may
// wait there as long as it likes (the descriptor is shared with other processes, so it cannot just
// be made non-blocking). Lines that find no room, or that the former stderr does not take (closed,
// disk full), are lost and counted. What is written by glog, DPDK, libbpf or abort() goes the same
// way. SIGPIPE must be ignored, see signals.h.
// Thread safety: Start() and the destructor in main(), the rest from any thread.
#ifndef GUIDEWAY_LIB_BASE_LOG_RELAY_H_
#define GUIDEWAY_LIB_BASE_LOG_RELAY_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace google {
class LogSink;
}  // namespace google

namespace guideway {

class LogRelay {
 public:
  // Once per process, after SettleSignals() and before other threads. With a sanitizer it does
  // nothing: a report must not be lost.
  static absl::StatusOr<std::unique_ptr<LogRelay>> Start();
  // Gives what waits a moment to be written, and the former stderr back.
  ~LogRelay();
  LogRelay(const LogRelay&) = delete;
  LogRelay& operator=(const LogRelay&) = delete;

  uint64_t lost_lines() const;
  // Whether lines were lost within `window`.
  bool LostWithin(absl::Duration window) const;

  struct State;

 private:
  explicit LogRelay(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;  // the threads', too: they may outlive this object; null: inactive
  std::unique_ptr<google::LogSink> counter_;
};

}  // namespace guideway

#endif  // GUIDEWAY_LIB_BASE_LOG_RELAY_H_
