// Whether a configuration takes away so much of another one that somebody must have meant it.
// Stateless.
#ifndef GUIDEWAY_LIB_CONFIG_SHRINK_H_
#define GUIDEWAY_LIB_CONFIG_SHRINK_H_

#include <string>
#include <vector>

#include "lib/config/guideway.pb.h"

namespace guideway {

// Why `after` needs force, in words, given that `before` is in force. Empty: it does not. Both with
// defaults filled in. Only pools that a VIP leads to count, in `before` or in `after`:
// - no VIP is left;
// - a pool gets no backend that takes new flows (enabled, weight above 0), and had one before or
// was
//   led to by no VIP before;
// - of the backends of a pool that took new flows, more than change_safety.max_removed_percent of
//   `before` do not any more, unless it is one and another one is left. A backend with another
//   address is another backend.
std::vector<std::string> DangerousShrinks(const v1::Config& before, const v1::Config& after);

}  // namespace guideway

#endif  // GUIDEWAY_LIB_CONFIG_SHRINK_H_
