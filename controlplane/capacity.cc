// See capacity.h.
#include "controlplane/capacity.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "lib/channel/text_of.h"

namespace guideway {

std::vector<std::string> BeyondCapacityOf(const channel::Welcome& welcome,
                                          const v1::Config& config) {
  std::vector<std::string> reasons;
  const uint64_t most_slots = welcome.arena_slot_bytes / sizeof(channel::MaglevSlot);
  for (const v1::Pool& pool : config.pools()) {
    if (pool.table_size() > most_slots) {
      reasons.push_back(absl::StrCat("pool ", pool.name(), ": table_size ", pool.table_size(),
                                     " is more than the data plane takes, ", most_slots));
    }
  }
  const auto* begin = std::begin(welcome.ports);
  const auto* end = begin + std::min<uint32_t>(welcome.port_count, channel::kMaxPorts);
  for (const v1::Port& port : config.ports()) {
    if (std::none_of(begin, end, [&](const channel::PortInfo& info) {
          return port.name() == channel::TextOf(info.name);
        })) {
      reasons.push_back(absl::StrCat("port ", port.name(), ": the data plane has no such port"));
    }
  }
  return reasons;
}

}  // namespace guideway
