// A pool with any scheduler, weights and packets for it, and the flow table counted by hand.
#ifndef GUIDEWAY_TESTS_UNIT_PATH_SCHEDULERS_FIXTURE_H_
#define GUIDEWAY_TESTS_UNIT_PATH_SCHEDULERS_FIXTURE_H_

#include <catch2/catch.hpp>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "dataplane/path/schedulers.h"
#include "tests/unit/path/packet_builder.h"

namespace guideway {

using channel::Scheduler;

inline constexpr uint32_t kSlots = 1021;

// One pool behind a TCP and a UDP VIP of each family. A backend's egress port is its index.
struct SchedulerWorld : World {
  explicit SchedulerWorld(Scheduler scheduler, const std::vector<uint32_t>& weights = {1, 1, 1, 1},
                          uint64_t flow_capacity = 65536)
      : World(flow_capacity), scheduler_(scheduler) {
    for (uint16_t i = 0; i < weights.size(); ++i) {
      AddBackend(i, channel::Encapsulation::kL2, "", "203.0.113.1").next_hop.port = i;
    }
    Weigh(weights);
    for (const char* vip : {"198.51.100.1", "2001:db8:a::1"}) {
      REQUIRE(AddVip(vips_, vip, 80, IpProtocol::kTcp, 0));
      REQUIRE(AddVip(vips_ + 1, vip, 80, IpProtocol::kUdp, 0));
      vips_ += 2;
    }
  }

  // As the control plane and the snapshot builder do.
  void Weigh(const std::vector<uint32_t>& weights) {
    std::vector<MaglevBackend> takers;
    for (uint16_t i = 0; i < weights.size(); ++i) {
      takers.push_back({std::to_string(i), weights[i], i});
    }
    const auto owners = BuildMaglevTable(takers, kSlots, 0).value();
    slots[0].resize(kSlots);
    for (uint32_t i = 0; i < kSlots; ++i) slots[0][i] = {owners[i], owners[i]};
    candidates_ = CandidatesOf(slots[0]);
    turns_.clear();
    if (scheduler_ == Scheduler::kWeightedRoundRobin && !candidates_.empty()) {
      turns_.resize(kSlots);
      FillTurns(candidates_, absl::MakeSpan(turns_));
    }
    shares_.assign(kMaxBackends, 0);
    for (const Candidate& candidate : candidates_) shares_[candidate.backend] = candidate.slots;
    pools[0] = {.slots = slots[0].data(), .slot_count = kSlots, .scheduler = scheduler_};
    if (scheduler_ == Scheduler::kMaglevSource) {
      pools[0].source_bits_ipv4 = 32;
      pools[0].source_bits_ipv6 = 64;
    }
    pools[0].breaker = breaker_;
    pools[0].keeps_state = channel::KeepsState(scheduler_) || breaker_.limits();
    if (pools[0].keeps_state) pools[0].candidates = candidates_;
    pools[0].turns = turns_;
    tables.shares = shares_;
    while (!flows.counts_all()) SweepFlows(tables, state);
  }

  Burst& Run(const std::vector<PacketSpec>& specs) {
    buffers_.clear();
    burst_ = Burst{};
    for (const PacketSpec& spec : specs) {
      buffers_.emplace_back(Frame(spec), uint16_t{64});
      buffers_.back().Fill(burst_.packets[burst_.count++]);
    }
    state.counted = CounterValues{};
    ProcessBurst(burst_, tables, state);
    return burst_;
  }
  // The backend that got the packet.
  uint16_t Send(const PacketSpec& spec) {
    const Packet& packet = Run({spec}).packets[0];
    REQUIRE(packet.verdict == Verdict::kForward);
    return packet.transmit_port;
  }
  uint16_t Flow(uint16_t port, uint8_t flags = kTcpSyn) {
    return Send({.source_port = port, .tcp_flags = flags});
  }
  // New flows from ports of their own, by backend.
  std::map<uint16_t, uint32_t> Flows(uint32_t count, IpProtocol protocol = IpProtocol::kTcp) {
    std::map<uint16_t, uint32_t> got;
    for (uint32_t i = 0; i < count; ++i) {
      ++got[Send({.source_port = next_port_++, .protocol = protocol})];
    }
    return got;
  }
  uint16_t SlotOwner(const PacketSpec& spec) {
    Run({spec});
    return slots[0][SlotOf(burst_.packets[0].flow_hash, kSlots)].current;
  }
  uint32_t KnownFlows() {
    uint32_t count = 0;
    flows.ForEach([&](uint64_t, BackendId, FlowState, uint32_t) { ++count; });
    return count;
  }
  // What the flow table holds, counted by hand.
  void CheckCounts() {
    std::map<uint16_t, uint32_t> counts;
    flows.ForEach([&](uint64_t, BackendId id, FlowState, uint32_t) { ++counts[BackendIndex(id)]; });
    for (uint32_t i = 0; i < 65536; ++i) {
      const auto index = static_cast<uint16_t>(i);
      const auto found = counts.find(index);
      REQUIRE(flows.CountOf(index) == (found == counts.end() ? 0 : found->second));
    }
  }
  void SweepAll() {
    for (uint32_t second = 0; second <= kSweepSeconds; ++second, ++state.now_s) {
      for (uint64_t i = 0; i < flows.bucket_count(); i += 64) SweepFlows(tables, state);
    }
  }

  Scheduler scheduler_;
  channel::Breaker breaker_ = {};
  uint32_t vips_ = 0;
  uint16_t next_port_ = 1024;
  std::vector<Candidate> candidates_;
  std::vector<uint16_t> turns_;
  std::vector<uint32_t> shares_;
  std::deque<Buffer> buffers_;
  Burst burst_;
};

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_PATH_SCHEDULERS_FIXTURE_H_
