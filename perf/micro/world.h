// What the packet benchmark's workers forward by: tables made by hand, and flow tables in
// hugepages.
//
// 16 VIPs of each family with one port; 100 backends, in one pool of 65537 slots or in ten pools of
// ten backends. One thread builds a world; afterwards workers read it as they read any snapshot.
#ifndef GUIDEWAY_PERF_MICRO_WORLD_H_
#define GUIDEWAY_PERF_MICRO_WORLD_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/tables/snapshot.h"

namespace guideway {

inline constexpr uint32_t kBenchmarkVips = 16;  // a power of two, of each family
inline constexpr uint16_t kBenchmarkPort = 80;
inline constexpr uint32_t kBenchmarkBackends = 100;
inline constexpr uint32_t kBenchmarkSlots = 65537;
inline constexpr uint32_t kVipsIpv4 = 0xc6336400;             // 198.51.100.0/28
inline constexpr uint32_t kVipsIpv6[3] = {0x20010db8, 0, 0};  // 2001:db8::/124

// Memory for a flow table, in hugepages as the data plane's is: pages of 4 KiB would cost a TLB
// miss for each packet.
class HugeMemory {
 public:
  explicit HugeMemory(size_t bytes);
  ~HugeMemory();
  HugeMemory(const HugeMemory&) = delete;
  HugeMemory& operator=(const HugeMemory&) = delete;
  void* get() const { return memory_; }

 private:
  size_t bytes_;
  void* memory_;
};

class BenchmarkWorld {
 public:
  struct Options {
    channel::Encapsulation encapsulation = channel::Encapsulation::kIpip;
    IpFamily outer_family = IpFamily::kIpv4;
    bool gue_hop_list = false;
    // The slots have a last owner, too: flows that the flow table does not know have an alternate.
    bool slots_have_previous = false;
    // Ten pools: IPIP, GUE with hop lists, GRE and so on; six of ten over IPv4.
    bool ten_pools = false;
    uint32_t workers = 1;
    uint64_t flows_per_worker = 1 << 20;  // capacity of a flow table
  };
  explicit BenchmarkWorld(const Options& options);

  const Snapshot& tables() const { return tables_; }
  FlowTable* flows(uint32_t worker) { return flows_[worker].get(); }

 private:
  void AddBackends(const Options& options);
  void AddPools(const Options& options);
  void AddVips(uint32_t pools);

  std::vector<VipCell> cells_;
  std::vector<Backend> backends_;
  std::vector<std::vector<channel::MaglevSlot>> slots_;
  std::vector<Pool> pools_;
  std::vector<std::unique_ptr<HugeMemory>> memory_;
  std::vector<std::unique_ptr<FlowTable>> flows_;
  Snapshot tables_;
};

}  // namespace guideway

#endif  // GUIDEWAY_PERF_MICRO_WORLD_H_
