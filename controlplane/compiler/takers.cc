// See takers.h.
#include "controlplane/compiler/takers.h"

namespace guideway {
namespace {

bool IsAble(const v1::Backend& backend) {
  return backend.state() == v1::ENABLED && backend.weight() != 0;
}

}  // namespace

bool TakerRule::Takes(const v1::Backend& backend, bool healthy) const {
  return IsAble(backend) && backend.backup() == backups && (failed_open || healthy);
}

TakerRule ChooseTakers(const v1::Pool& pool,
                       const std::function<bool(const v1::Backend&)>& is_healthy) {
  bool any_able[2] = {}, any_healthy[2] = {};  // [1]: of the backups
  for (const v1::Backend& backend : pool.backends()) {
    if (!IsAble(backend)) continue;
    const int kind = backend.backup() ? 1 : 0;
    any_able[kind] = true;
    any_healthy[kind] = any_healthy[kind] || is_healthy(backend);
  }
  if (any_healthy[0]) return {};
  if (any_healthy[1]) return {.backups = true};
  return {.backups = !any_able[0] && any_able[1], .failed_open = any_able[0] || any_able[1]};
}

}  // namespace guideway
