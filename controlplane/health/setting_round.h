// Setting the entries of a map by name one by one: who is not set in a round goes, entry by entry.
//
// Thread safety: values.
#ifndef GUIDEWAY_CONTROLPLANE_HEALTH_SETTING_ROUND_H_
#define GUIDEWAY_CONTROLPLANE_HEALTH_SETTING_ROUND_H_

#include <cstdint>
#include <string>

namespace guideway {

class SettingRound {
 public:
  // May come before the last one has ended.
  void Begin() {
    ++number_;
    looked_at_.clear();
  }
  // What `round` of an entry that is set becomes.
  uint64_t number() const { return number_; }
  // After the last one is set: looks at one more entry; false: all have been looked at.
  template <typename Map>
  bool ForgetNext(Map* map) {
    const auto next = map->upper_bound(looked_at_);
    if (next == map->end()) return false;
    looked_at_ = next->first;
    if (next->second.round != number_) map->erase(next);
    return true;
  }

 private:
  uint64_t number_ = 0;
  std::string looked_at_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_HEALTH_SETTING_ROUND_H_
