// Who may have how many of the process's descriptors, so that nobody takes the others' last one.
//
// Thread safety: values.
#ifndef GUIDEWAY_CONTROLPLANE_DESCRIPTOR_SHARES_H_
#define GUIDEWAY_CONTROLPLANE_DESCRIPTOR_SHARES_H_

#include <sys/resource.h>

#include <algorithm>
#include <cstddef>

namespace guideway {

struct DescriptorShares {
  size_t probes = 0;           // probes by the network at a time, one descriptor each
  size_t api_connections = 0;  // of each of the API's listeners

  // Half to the probes, an eighth to each listener; the rest is for files and all else.
  static DescriptorShares Of(size_t limit) {
    return {.probes = std::max<size_t>(limit / 2, 1),
            .api_connections = std::clamp<size_t>(limit / 8, 4, 1024)};
  }
  // By the soft limit that is in force when it is called.
  static DescriptorShares OfThisProcess() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = 1024;
    return Of(static_cast<size_t>(std::min<rlim_t>(limit.rlim_cur, rlim_t{1} << 30)));
  }
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_DESCRIPTOR_SHARES_H_
