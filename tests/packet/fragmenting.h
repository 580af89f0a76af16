// Cuts golden packets with the worker's own code, which needs EAL and a mempool.
#ifndef GUIDEWAY_TESTS_PACKET_FRAGMENTING_H_
#define GUIDEWAY_TESTS_PACKET_FRAGMENTING_H_

#include <rte_mbuf.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <string>
#include <vector>

#include "dataplane/path/state.h"
#include "dataplane/worker/fragment.h"
#include "tests/unit/dataplane/start_eal.h"

namespace guideway {

// EAL without hugepages and devices, and buffers; once in the process.
inline rte_mempool* StartedMempool() {
  static rte_mempool* const mempool = [] {
    StartEal(64);
    return rte_pktmbuf_pool_create("golden", 255, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
  }();
  REQUIRE(mempool != nullptr);
  return mempool;
}

// The frames that leave for a packet with the verdict kFragment.
inline std::vector<std::vector<uint8_t>> FragmentsOf(const Packet& packet, PathState& state) {
  rte_mbuf* mbuf = rte_pktmbuf_alloc(StartedMempool());
  REQUIRE(mbuf != nullptr);
  char* room = rte_pktmbuf_append(mbuf, static_cast<uint16_t>(packet.length_bytes));
  REQUIRE(room != nullptr);
  std::memcpy(room, packet.frame, packet.length_bytes);
  Packet in_mbuf = packet;
  in_mbuf.frame = reinterpret_cast<uint8_t*>(room);
  rte_mbuf* fragments[kMaxFragments];
  const uint32_t count = MakeFragments(in_mbuf, mbuf, state, fragments);
  rte_pktmbuf_free(mbuf);
  std::vector<std::vector<uint8_t>> frames;
  for (uint32_t i = 0; i < count; ++i) {
    const auto* bytes = rte_pktmbuf_mtod(fragments[i], const uint8_t*);
    CHECK(fragments[i]->nb_segs == 1);  // net_af_xdp sends no others
    frames.emplace_back(bytes, bytes + rte_pktmbuf_pkt_len(fragments[i]));
    rte_pktmbuf_free(fragments[i]);
  }
  return frames;
}

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_PACKET_FRAGMENTING_H_
