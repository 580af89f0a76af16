// See validate_fragments.h.
#include "lib/config/validate_fragments.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/net/address.h"

namespace guideway {

void ValidateFragments(const v1::Config& config, Problems* problems) {
  if (config.fragments() != v1::FRAGMENTS_HASH3) return;
  std::map<std::pair<IpAddress, int>, const v1::Vip*> first;
  for (int i = 0; i < config.vips_size(); ++i) {
    const v1::Vip& vip = config.vips(i);
    const auto address = IpAddress::Parse(vip.address());
    if (!address.ok()) continue;  // reported as such
    const auto [it, is_new] = first.try_emplace({*address, vip.protocol()}, &vip);
    if (is_new || it->second->pool() == vip.pool()) continue;
    problems->Add(
        absl::StrCat("vips[", i, "].pool"),
        absl::StrCat(vip.pool(), " is not the pool of VIP ", it->second->name(),
                     ", which has the same address and protocol; must be ", it->second->pool(),
                     ", because with fragments: hash3 no port tells ", "their fragments apart"));
  }
}

}  // namespace guideway
