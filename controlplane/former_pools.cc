// See former_pools.h.
#include "controlplane/former_pools.h"

namespace guideway {

bool FormerPools::Step() {
  if (!left_.has_value()) left_ = versions_.List();
  if (left_->empty() || missing_.empty()) return false;
  // One that cannot be used is passed over: the store names it where that matters.
  const auto kept = versions_.Read(left_->back());
  left_->pop_back();
  if (!kept.ok()) return true;
  std::set<std::string> here;
  for (const v1::Pool& pool : kept->config.pools()) {
    if (missing_.erase(pool.name()) == 0) continue;
    here.insert(pool.name());
    v1::Pool* found = found_.add_pools();
    *found = pool;
    found->clear_backends();
  }
  for (const v1::Vip& vip : kept->config.vips()) {
    if (here.contains(vip.pool())) *found_.add_vips() = vip;
  }
  return !missing_.empty();
}

}  // namespace guideway
