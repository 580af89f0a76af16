// Whether backends can be reached, as far as it counts for who takes and keeps flows.
//
// What routes, neighbours and links say of a backend at a moment is a sight; a verdict follows it
// with patience, so that nothing flaps:
// - Unreachable after kDownAfter without a way. If the first that is known is that there is none,
//   at once: nothing has worked that could have been lost for a moment.
// - Reachable again after a second with a way, and after twice as long for each time that it was
//   lost within kFlapMemory, up to kLongestReturn.
// - "The kernel does not know yet" changes no verdict. What was never seen is reachable so long,
//   but not for longer than kFirstPatience once the data plane has said its ports.
// - Known flows of who has no way are given up after kKnownFlowsPatience without one, unless all
//   have none who could take them.
// - Who lost its way when all did, or up to kOutagePatience before, keeps its known flows for
//   kOutagePatience from when somebody is reachable again: the others are likely to follow.
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
  // More than a neighbour takes to fail (three questions, a second apart).
  static constexpr absl::Duration kFirstPatience = absl::Seconds(5);
  static constexpr absl::Duration kFirstReturn = absl::Seconds(1);
  static constexpr absl::Duration kLongestReturn = absl::Seconds(30);
  static constexpr absl::Duration kFlapMemory = absl::Minutes(1);

  static constexpr absl::Duration kOutagePatience = absl::Seconds(10);

  enum class Sight : uint8_t { kReachable, kNotKnownYet, kUnreachable };

  // A round begins; whoever is not seen until EndRound() is forgotten.
  void BeginRound(absl::Duration now);
  // Without the data plane's ports nothing can be known, so nobody waits in vain. Begins as true.
  void set_ports_are_known(bool known) { ports_are_known_ = known; }
  // Whether it is unreachable and takes no new flows. May be called several times in a round for
  // one backend.
  bool See(const IpAddress& backend, const Delivery& delivery, Sight sight);
  // After all who could take each other's flows were seen: whether none of them could, being
  // reachable and not known to be dead.
  // `group` names them.
  void SeeGroup(const std::string& group, bool none_is_reachable);
  // After both: whether known flows of a backend whose flows the group could take are given up.
  bool GivesUpFlows(const IpAddress& backend, const Delivery& delivery, const std::string& group,
                    absl::Duration patience = kKnownFlowsPatience);
  void EndRound();
  // When a verdict changes if no sight does; InfiniteDuration(): never. After a round.
  absl::Duration NextStep() const { return next_step_; }

 private:
  struct Entry {
    uint64_t round = 0;  // it was seen in last
    bool known = false;  // something else than kNotKnownYet was seen
    bool unreachable = false;
    bool has_way = false;                                      // at the last sight
    absl::Duration waits_since = absl::InfiniteDuration();     // for the first that is known
    absl::Duration contrary_since = absl::InfiniteDuration();  // sights that the verdict denies
    absl::Duration lost_at = absl::InfiniteDuration();         // its way, of an unreachable one
    absl::Duration returned_at = -absl::InfiniteDuration();    // became reachable again
    absl::Duration return_after = kFirstReturn;
    std::string group;  // that was asked about last
  };
  // All of a group had no way; before the first one: in no time.
  struct Outage {
    uint64_t first_round = 0, round = 0;  // it was seen in first and last
    bool goes_on = false;
    absl::Duration began = absl::InfiniteDuration();
    absl::Duration ended = -absl::InfiniteDuration();
  };
  // The group is new, and had one of its backends from another one.
  void Inherit(const std::string& from, Outage* outage);
  // What was never seen, and whose first sight does not come.
  void AwaitFirst(Sight sight, Entry* entry);
  void Follow(Sight sight, Entry* entry);
  void Turn(Entry* entry);

  std::map<std::pair<IpAddress, std::string>, Entry> entries_;
  std::map<std::string, Outage> outages_;  // by group
  uint64_t round_ = 0;
  bool ports_are_known_ = true;
  absl::Duration now_;
  absl::Duration next_step_ = absl::InfiniteDuration();
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_COMPILER_REACHABILITY_H_
