// When packets are due: an even rate over a clock that only counts up.
//
// Whoever sends asks Due() again and again and sends what it says. A sender that was away (its CPU
// was taken) does not catch up with a burst that no sender of that rate would make: what is more
// than `most_behind` packets late is withheld, and counted. Thread safety: a value; one thread at a
// time.
#ifndef GUIDEWAY_PERF_GENERATOR_PACER_H_
#define GUIDEWAY_PERF_GENERATOR_PACER_H_

#include <algorithm>
#include <cstdint>

namespace guideway {

class Pacer {
 public:
  // The first packet is due at `start_ticks`, then one every `ticks_per_packet` (above 0).
  Pacer(uint64_t start_ticks, double ticks_per_packet, uint32_t most_behind)
      : start_ticks_(start_ticks),
        packets_per_tick_(1 / ticks_per_packet),
        most_behind_(most_behind) {}

  // How many packets are due now and not yet said to be; at most `most`. Those above stay due.
  uint32_t Due(uint64_t now_ticks, uint32_t most) {
    if (now_ticks < start_ticks_) return 0;
    const uint64_t planned =
        1 +
        static_cast<uint64_t>(static_cast<double>(now_ticks - start_ticks_) * packets_per_tick_);
    if (planned <= due_ + withheld_) return 0;  // after Skip()
    uint64_t behind = planned - due_ - withheld_;
    if (behind > most_behind_) {
      withheld_ += behind - most_behind_;
      behind = most_behind_;
    }
    const auto now = static_cast<uint32_t>(std::min<uint64_t>(behind, most));
    due_ += now;
    return now;
  }
  // The clock stood still for so long: nothing became due meanwhile.
  void Skip(uint64_t ticks) { start_ticks_ += ticks; }
  uint64_t withheld() const { return withheld_; }

 private:
  uint64_t start_ticks_;
  double packets_per_tick_;
  uint32_t most_behind_;
  uint64_t due_ = 0;  // said so far
  uint64_t withheld_ = 0;
};

}  // namespace guideway

#endif  // GUIDEWAY_PERF_GENERATOR_PACER_H_
