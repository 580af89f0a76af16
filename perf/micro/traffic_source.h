// The packets of the packet benchmark, written into mbufs as a NIC would.
//
// Cheap, and the same with and without a load balancer behind it: what it costs is part of the
// floor that the benchmark subtracts. Used by one thread.
#ifndef GUIDEWAY_PERF_MICRO_TRAFFIC_SOURCE_H_
#define GUIDEWAY_PERF_MICRO_TRAFFIC_SOURCE_H_

#include <rte_mbuf.h>

#include <cstdint>
#include <vector>

#include "lib/base/hot.h"
#include "lib/net/address.h"

namespace guideway {

class alignas(2 * kCacheLineBytes) TrafficSource {
 public:
  enum class Kind {
    kKnown,  // ACKs of `flows` flows, chosen at random
    kAll,    // ACKs of the same flows, one after the other: enters them
    kSyns,   // SYNs of 2^24 flows that kKnown has not, one after the other
    kMiss,   // ACKs to an address that is no VIP
    // Flows by Zipf's law with exponent 1.1; 5% SYNs of new flows; 0.5% ICMP errors about known
    // flows, 0.5% fragments in pairs (both IPv4). With both_families.
    kMixed,
  };
  struct Options {
    Kind kind = Kind::kKnown;
    IpFamily family = IpFamily::kIpv4;
    bool both_families = false;  // 60% IPv4, 40% IPv6 instead of `family`
    uint32_t flows = 1;          // at most 2^24
    uint32_t seed = 1;
  };
  explicit TrafficSource(const Options& options);

  // Makes each mbuf a frame of 64 bytes, of 78 with IPv6 (no Ethernet FCS).
  void Fill(rte_mbuf** packets, uint32_t count);

 private:
  uint32_t Random(uint32_t below);
  void FillMixed(rte_mbuf* packet);
  void WriteFlow(rte_mbuf* packet, uint32_t flow, uint8_t tcp_flags) const;
  void WriteIpv4(rte_mbuf* packet, uint32_t flow, uint8_t tcp_flags) const;
  void WriteIpv6(rte_mbuf* packet, uint32_t flow, uint8_t tcp_flags) const;
  void WriteFragment(rte_mbuf* packet);
  void WriteIcmpError(rte_mbuf* packet, uint32_t flow) const;

  const Options options_;
  uint64_t random_;
  uint32_t next_flow_ = 0;  // of kAll, kSyns and kMixed's new flows
  uint32_t next_fragment_ = 0;
  std::vector<uint32_t> draws_;  // flows by Zipf's law, kMixed
  size_t next_draw_ = 0;
};

}  // namespace guideway

#endif  // GUIDEWAY_PERF_MICRO_TRAFFIC_SOURCE_H_
