// Which VIPs are to be announced, by the share of their backends that is healthy, with hysteresis.
//
// A VIP is announced at first. It is withdrawn when the share falls below the low mark, and comes
// back when it reaches the high one. Nothing announces yet: routing will ask here. A pure
// bookkeeper. Thread safety: one thread.
#ifndef GUIDEWAY_CONTROLPLANE_HEALTH_ANNOUNCING_H_
#define GUIDEWAY_CONTROLPLANE_HEALTH_ANNOUNCING_H_

#include <cstdint>
#include <map>
#include <string>

#include "controlplane/health/setting_round.h"

namespace guideway {

class Announcing {
 public:
  struct Marks {
    uint32_t withdraw_below = 0;  // percent; 0: never
    uint32_t announce_from = 0;   // percent; 0: as withdraw_below
  };
  // All VIPs by name. Those that stay keep their state.
  void SetVips(const std::map<std::string, Marks>& vips);
  // The same one by one. Who is not set between BeginVips() and the end goes.
  void BeginVips() { round_.Begin(); }
  void SetVip(const std::string& name, const Marks& marks);
  // After the last one: looks at one more; false: all is done.
  bool EndVips() { return round_.ForgetNext(&vips_); }
  // So many of `total` backends are healthy. True if the VIP's state has changed. The name must be
  // known.
  bool Update(const std::string& vip, uint32_t healthy, uint32_t total);
  // False for names that are not known.
  bool IsAnnounced(const std::string& vip) const;

 private:
  struct Vip {
    Marks marks;
    bool announced = true;
    uint64_t round = 0;  // in which it was set last
  };
  std::map<std::string, Vip> vips_;
  SettingRound round_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_HEALTH_ANNOUNCING_H_
