// One trial: packets at an even rate for a while, what comes back, and how long each took.
//
// Sending and receiving take turns on the calling thread, the only one that uses the port.
#ifndef GUIDEWAY_PERF_GENERATOR_TRIAL_H_
#define GUIDEWAY_PERF_GENERATOR_TRIAL_H_

#include <cstdint>

#include "perf/generator/frames.h"
#include "perf/generator/latency_histogram.h"
#include "perf/generator/memif_port.h"

namespace guideway {

struct TrialOptions {
  double packets_per_second = 0;
  double seconds = 0;
};

struct TrialResult {
  double seconds = 0;     // of sending, interruptions left out
  uint64_t accepted = 0;  // put into the ring
  uint64_t rejected = 0;  // found the ring full: lost
  uint64_t withheld = 0;  // due, but the sender was late (Pacer)
  uint64_t received = 0;
  uint64_t reordered = 0;  // came behind a later one
  uint64_t foreign = 0;    // none of this trial's
  LatencyHistogram ticks;  // from before sending to after receiving, without those below
  // Somebody took the CPU away from either process: see kInterruptionSeconds.
  uint32_t interruptions = 0;
  double interrupted_seconds = 0;
  LatencyHistogram interrupted_ticks;  // of packets that were on their way then

  uint64_t offered() const { return accepted + rejected; }
  uint64_t lost() const { return offered() - received; }
};

// When either side does nothing for so long, though there is something to do, it has lost its CPU:
// both poll, and the longest thing that they do takes a hundredth of it. The sender then waits
// until all packets on their way have come, and goes on as if the clock had stood still. Rings must
// hold what comes in twice this time. What is shorter, such as the timer interrupt, is part of the
// trial.
inline constexpr double kInterruptionSeconds = 50e-6;

class Sender {
 public:
  // `port` and `frames` are borrowed. Packets come back with `outer_bytes` more in front.
  Sender(const MemifPort* port, const Frames* frames, uint32_t outer_bytes, uint32_t flows)
      : port_(port), frames_(frames), outer_bytes_(outer_bytes), flows_(flows) {}

  // ACKs of flows chosen at random.
  TrialResult Run(const TrialOptions& options);
  // As fast as the other side takes them. Nothing is withheld, and `rejected` says nothing.
  TrialResult RunUnpaced(double seconds);
  // A packet of every flow in turn, each with TCP flags `flags`.
  TrialResult SendAll(uint8_t flags, double packets_per_second);

 private:
  class Turn;

  const MemifPort* port_;
  const Frames* frames_;
  uint32_t outer_bytes_;
  uint32_t flows_;
  uint32_t sequence_ = 0;  // of the next packet, over all trials
  uint64_t random_ = 0x9e3779b97f4a7c15;
};

}  // namespace guideway

#endif  // GUIDEWAY_PERF_GENERATOR_TRIAL_H_
