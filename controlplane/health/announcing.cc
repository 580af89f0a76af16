// See announcing.h.
#include "controlplane/health/announcing.h"

#include <algorithm>
#include <utility>

namespace guideway {

void Announcing::SetVips(const std::map<std::string, Marks>& vips) {
  BeginVips();
  for (const auto& [name, marks] : vips) SetVip(name, marks);
  while (EndVips()) {
  }
}

void Announcing::SetVip(const std::string& name, const Marks& marks) {
  Vip& vip = vips_[name];
  vip.marks = marks;
  vip.round = round_.number();
}

bool Announcing::Update(const std::string& vip, uint32_t healthy, uint32_t total) {
  Vip& state = vips_.at(vip);
  // Without rounding: 1 of 3 is below 34 percent and not below 33.
  const auto at_least = [healthy, total](uint32_t percent) {
    return uint64_t{healthy} * 100 >= uint64_t{total} * percent && (healthy > 0 || percent == 0);
  };
  const uint32_t mark = state.announced
                            ? state.marks.withdraw_below
                            : std::max(state.marks.withdraw_below, state.marks.announce_from);
  return std::exchange(state.announced, at_least(mark)) != state.announced;
}

bool Announcing::IsAnnounced(const std::string& vip) const {
  const auto found = vips_.find(vip);
  return found != vips_.end() && found->second.announced;
}

}  // namespace guideway
