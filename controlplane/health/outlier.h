// Outlier detection: which backends answer their clients so much worse than the others of their
// pool that they are ejected for a while, by what the data plane counts of their flows.
//
// Backends are compared at the end of every window, with the others of the pool together, by what
// comes on 100 new flows: SYNs that clients had to send again, flows of which nothing but SYNs
// came, flows that clients reset. What happens to all of them (a flood of SYNs, clients' networks)
// is nobody's fault and ejects nobody. An ejected backend returns by itself; the next time it is
// ejected for twice as long, up to a limit, until it has been in for so long as that limit.
//
// Pure bookkeeping: counters and time are passed in. Thread safety: a value; one thread.
#ifndef GUIDEWAY_CONTROLPLANE_HEALTH_OUTLIER_H_
#define GUIDEWAY_CONTROLPLANE_HEALTH_OUTLIER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace guideway {

struct OutlierSettings {
  absl::Duration window = absl::Seconds(10);
  uint64_t min_new_flows = 50;  // in a window, of a backend and of the others together
  // By how much, per 100 new flows, a backend may exceed the others; 0: it is not looked at.
  uint32_t max_syn_retransmissions_percent = 30;
  uint32_t max_unanswered_percent = 30;
  uint32_t max_client_resets_percent = 0;
  absl::Duration base_ejection_time = absl::Seconds(30);
  absl::Duration max_ejection_time = absl::Minutes(5);  // at least base_ejection_time
  uint32_t max_ejected_percent = 30;                    // of the pool's members; one always may be
  // After an ejection there may be flows for so long that go unanswered for what was before it.
  absl::Duration unanswered_after = absl::Seconds(46);
};

// Counted for a backend; the numbers never go down but when another data plane begins to count.
struct FlowSigns {
  uint64_t new_flows = 0;
  uint64_t syn_retransmissions = 0;
  uint64_t unanswered_flows = 0;
  uint64_t client_resets = 0;
};

class OutlierDetector {
 public:
  // A backend that its pool would give flows to if nothing were known of it.
  struct Member {
    std::string key;
    bool unhealthy = false;  // by its probes: gets no new flows anyway
    FlowSigns total;
  };
  struct Ejection {
    absl::Duration until;
    uint32_t times = 0;  // in a row, this one included
    std::string reason;  // "92 SYNs sent again per 100 new flows, the others have 1"
  };
  struct Change {
    std::string key;
    bool ejected = false;  // else: it has returned
    std::string text;      // for the log
  };

  // What was counted up to `now`; at least once a window. Backends that are no members any more are
  // forgotten. Says who is ejected and who returns.
  std::vector<Change> Observe(const OutlierSettings& settings, const std::vector<Member>& members,
                              absl::Duration now);
  // Who returns for the passing of time alone, while nothing can be observed.
  std::vector<Change> Return(absl::Duration now);
  // Null: it is not ejected. Valid until the next call of the two above.
  const Ejection* Find(const std::string& key) const;

 private:
  struct Record {
    FlowSigns at_begin;  // of the window
    bool began = false;  // it was there when the window began
    FlowSigns in_window;
    std::optional<Ejection> ejection;
    uint32_t times = 0;            // ejected in a row
    absl::Duration last_ejected;   // if times > 0
    absl::Duration last_returned;  // likewise, unless ejected now
  };
  // For some of the window that is closed: what it counted then is of the time before.
  bool WasOut(const Record& record) const;
  void CloseWindow(const std::vector<Member>& members);
  void Judge(const OutlierSettings& settings, const std::vector<Member>& members,
             absl::Duration now, std::vector<Change>* changes);
  static void Eject(const OutlierSettings& settings, const std::string& reason, absl::Duration now,
                    Record* record);

  std::map<std::string, Record> records_;  // by key
  std::optional<absl::Duration> window_began_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_HEALTH_OUTLIER_H_
