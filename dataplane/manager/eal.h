// DPDK's environment: one process-wide start and end.
#ifndef GUIDEWAY_DATAPLANE_MANAGER_EAL_H_
#define GUIDEWAY_DATAPLANE_MANAGER_EAL_H_

#include <rte_mempool.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dataplane/manager/options.h"

namespace guideway {

// Lcore ids: 0 is the manager, i + 1 is worker i; each is pinned to the CPU the options name.
inline constexpr unsigned kManagerLcore = 0;
inline constexpr unsigned WorkerLcore(uint32_t worker) { return worker + 1; }

class Eal {
 public:
  // `port_arguments` come from Port::EalArguments. Once per process.
  static absl::StatusOr<Eal> Start(const DataplaneOptions& options,
                                   const std::vector<std::string>& port_arguments);
  Eal(Eal&& other) noexcept;
  Eal& operator=(Eal&&) = delete;
  ~Eal();

 private:
  Eal() = default;
  bool started_ = true;
  std::string runtime_directory_;  // what --no-huge leaves behind; empty: nothing
};

// Buffers for all queues of `ports` ports and `workers` workers, for frames up to what
// `largest_mtu_bytes` needs. Errors say how many MiB were wanted.
absl::StatusOr<rte_mempool*> CreateMempool(uint32_t ports, uint32_t workers,
                                           uint16_t largest_mtu_bytes);

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_MANAGER_EAL_H_
