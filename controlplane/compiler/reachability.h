// Whether backends can be reached, as far as it counts for who takes and keeps flows.
//
// What routes, neighbours and links say of a backend at a moment is a sight; a verdict follows it
// with patience, so that nothing flaps:
// - Unreachable after kDownAfter without a way. If the first that is known is that there is none,
//   at once: nothing has worked that could have been lost for a moment.
// - Reachable again after a second with a way, and after twice as long for each time that it was
//   lost within kFlapMemory, up to kLongestReturn.
// - "The kernel does not know yet" changes no verdict; what was never seen is reachable so long.
// - Known flows of who has no way are given up after kKnownFlowsPatience without one.
// Bound to address and delivery, not to names. A pure bookkeeper: time is passed in (monotonic).
// Thread safety: one thread.
#ifndef GUIDEWAY_CONTROLPLANE_COMPILER_REACHABILITY_H_
#define GUIDEWAY_CONTROLPLANE_COMPILER_REACHABILITY_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "controlplane/compiler/delivery.h"
#include "lib/net/address.h"

namespace guideway {

class Reachability {
 public:
  static constexpr absl::Duration kDownAfter = absl::Seconds(1);
  static constexpr absl::Duration kKnownFlowsPatience = absl::Seconds(3);
  static constexpr absl::Duration kFirstReturn = absl::Seconds(1);
  static constexpr absl::Duration kLongestReturn = absl::Seconds(30);
  static constexpr absl::Duration kFlapMemory = absl::Minutes(1);

  enum class Sight : uint8_t { kReachable, kNotKnownYet, kUnreachable };
  struct Verdict {
    bool unreachable = false;     // takes no new flows
    bool gives_up_flows = false;  // nor keeps the known ones
  };

  // A round of See() begins; whoever is not seen until EndRound() is forgotten.
  void BeginRound(absl::Duration now);
  // May be called several times in a round for one backend.
  Verdict See(const IpAddress& backend, const Delivery& delivery, Sight sight);
  void EndRound();
  // When a verdict changes if no sight does; InfiniteDuration(): never. After a round.
  absl::Duration NextStep() const { return next_step_; }

 private:
  struct Entry {
    uint64_t round = 0;  // it was seen in last
    bool known = false;  // something else than kNotKnownYet was seen
    bool unreachable = false;
    absl::Duration contrary_since = absl::InfiniteDuration();  // sights that the verdict denies
    absl::Duration lost_at = absl::InfiniteDuration();         // its way, of an unreachable one
    absl::Duration returned_at = -absl::InfiniteDuration();    // became reachable again
    absl::Duration return_after = kFirstReturn;
  };
  void Follow(Sight sight, Entry* entry);
  void Turn(Entry* entry);

  std::map<std::pair<IpAddress, std::string>, Entry> entries_;
  uint64_t round_ = 0;
  absl::Duration now_;
  absl::Duration next_step_ = absl::InfiniteDuration();
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_COMPILER_REACHABILITY_H_
