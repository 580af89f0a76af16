#include "lib/channel/ring.h"

namespace guideway::channel {

absl::Status RingCorruption(const char* ring, uint64_t distance, uint32_t capacity) {
  return absl::DataLossError(absl::StrCat(ring, " is corrupt: the peer's index is ", distance,
                                          " messages off, the capacity is ", capacity));
}

}  // namespace guideway::channel
