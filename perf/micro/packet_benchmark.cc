// What a packet costs a worker: receive burst to transmit burst of the data plane's real Worker,
// counters included, minus the same harness that only receives and frees.
//
// usage: packet_benchmark [--runs=9] [--packets=1000000] [--list] [ROW-PREFIX...]
// One JSON line a row on stdout. Wants root, two CPUs and 200 free hugepages of 2 MiB. Each run
// takes the floor and the worker one after the other; "value" is the median of the differences.
#include <gflags/gflags.h>
#include <glog/logging.h>
#include <rte_eal.h>
#include <rte_launch.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "dataplane/manager/eal.h"
#include "perf/micro/json_row.h"
#include "perf/micro/lane.h"
#include "perf/micro/world.h"

DEFINE_uint32(runs, 9, "how often each row is measured");
DEFINE_uint64(packets, 1'000'000, "packets of a run");
DEFINE_bool(list, false, "print the rows' names and end");

namespace guideway {
namespace {

using channel::Encapsulation;
using Kind = TrafficSource::Kind;

constexpr uint64_t kWarmUpPackets = 100'000;
constexpr uint32_t kMaxWorkers = 2;

// The rig that all cases share: EAL, mbufs, a port for each worker. The driver keeps what it counts
// of a port's queues side by side, so that workers with one port would take a cache line from each
// other.
struct Rig {
  rte_mempool* mempool = nullptr;
  std::vector<std::unique_ptr<Port>> ports;
  std::vector<std::unique_ptr<Lane>> lanes;
  std::unique_ptr<Publisher> publisher;

  Rig() {
    std::vector<std::string> arguments = {"packet_benchmark", "--lcores=0@0,1@1",
                                          "--in-memory",      "--no-pci",
                                          "--no-telemetry",   "--log-level=error"};
    for (uint32_t i = 0; i < kMaxWorkers; ++i) {
      arguments.push_back(absl::StrCat("--vdev=net_null", i, ",size=64"));
    }
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    CHECK_GE(rte_eal_init(static_cast<int>(argv.size()), argv.data()), 0) << "starting DPDK";
    mempool = CreateMempool(kMaxWorkers, kMaxWorkers, 1500).value();
    for (uint32_t i = 0; i < kMaxWorkers; ++i) {
      const std::string name = absl::StrCat("net_null", i);
      const PortSpec spec{.kind = PortKind::kVdev, .name = name, .device = name};
      ports.push_back(Port::Open(spec, {name}, kMaxWorkers, mempool).value());
      lanes.push_back(std::make_unique<Lane>(ports.back().get(), i));
    }
    publisher = std::make_unique<Publisher>(kMaxWorkers);
  }
  ~Rig() {
    lanes.clear();
    ports.clear();
    publisher.reset();
    rte_eal_cleanup();
  }
  CounterValues Run(TrafficSource* source, BenchmarkWorld* world, uint64_t packets) {
    return lanes[0]
        ->RunWorker(source, {.warm_up = 0, .measured = packets}, world->tables(), world->flows(0),
                    publisher.get())
        .counted;
  }
};

struct Case {
  std::string row;
  std::function<void(Rig&, const std::string& row)> measure;
};

uint64_t RoundedUp(uint64_t packets) {
  return (packets + kBurstCapacity - 1) / kBurstCapacity * kBurstCapacity;
}

// A machine that shares its cores with others has more than one speed. A run counts if the floor is
// the same before and after it and near the least that was seen; else it is done again, so often at
// most for each that is asked for.
constexpr double kSameSpeed = 1.1;
constexpr uint32_t kMostTries = 6;

// Measures floor and worker by turns and prints the row. `before_run` prepares each run.
CounterValues Measure(
    Rig& rig, const std::string& row, TrafficSource* source, BenchmarkWorld* world,
    const std::function<void()>& before_run = [] {}) {
  const Lane::Amount amount = {.warm_up = kWarmUpPackets, .measured = FLAGS_packets};
  std::vector<double> net, floors, gross;
  CounterValues counted;
  double least_floor = rig.lanes[0]->RunFloor(source, amount).ns_per_packet;
  for (uint32_t tries = FLAGS_runs * kMostTries; net.size() < FLAGS_runs; --tries) {
    before_run();
    const double before = rig.lanes[0]->RunFloor(source, amount).ns_per_packet;
    const LaneResult result = rig.lanes[0]->RunWorker(source, amount, world->tables(),
                                                      world->flows(0), rig.publisher.get());
    const double after = rig.lanes[0]->RunFloor(source, amount).ns_per_packet;
    counted = result.counted;
    CHECK(counted.Balanced()) << row << ": packets are missing";
    least_floor = std::min({least_floor, before, after});
    const bool one_speed = std::max(before, after) < kSameSpeed * least_floor;
    // No tries left: whatever it is.
    if (!one_speed && tries > FLAGS_runs - net.size()) continue;
    floors.push_back((before + after) / 2);
    gross.push_back(result.ns_per_packet);
    net.push_back(gross.back() - floors.back());
  }
  PrintRow(row, "ns", net, {{"floor", Median(floors)}, {"gross", Median(gross)}});
  return counted;
}

void CheckShare(const CounterValues& counted, uint64_t what, double least, const std::string& row) {
  const auto share =
      static_cast<double>(what) / static_cast<double>(counted[Counter::received_packets]);
  CHECK_GE(share, least) << row << ": the packets are not what the row is about";
}

void Known(Rig& rig, const std::string& row, BenchmarkWorld::Options options, IpFamily family,
           uint32_t flows) {
  options.outer_family = family;
  options.flows_per_worker = std::max<uint64_t>(options.flows_per_worker, uint64_t{2} * flows);
  BenchmarkWorld world(options);
  TrafficSource all({.kind = Kind::kAll, .family = family, .flows = flows});
  rig.Run(&all, &world, RoundedUp(uint64_t{2} * flows));  // twice: established
  TrafficSource source({.kind = Kind::kKnown, .family = family, .flows = flows});
  const CounterValues counted = Measure(rig, row, &source, &world);
  CheckShare(counted, counted[Counter::flow_hits], 0.9, row);
  CheckShare(counted, counted[Counter::forwarded_packets], 1, row);
}

// Flows that the flow table does not know, of slots that had another owner before: every packet
// carries a second hop, and none is entered.
void SecondChance(Rig& rig, const std::string& row, uint32_t flows) {
  BenchmarkWorld world(
      {.encapsulation = Encapsulation::kGue, .gue_hop_list = true, .slots_have_previous = true});
  TrafficSource source({.kind = Kind::kKnown, .flows = flows});
  const CounterValues counted = Measure(rig, row, &source, &world);
  CheckShare(counted, counted[Counter::flow_misses], 1, row);
  CheckShare(counted, counted[Counter::forwarded_packets], 1, row);
}

void NewFlows(Rig& rig, const std::string& row) {
  BenchmarkWorld world({.flows_per_worker = 4 << 20});
  TrafficSource source({.kind = Kind::kSyns});
  const CounterValues counted = Measure(
      rig, row, &source, &world, [&] { world.flows(0)->Clear(world.tables().flow_key_digest); });
  CheckShare(counted, counted[Counter::flow_inserts], 0.999, row);
}

// Half of the table is established, the other half is what SYNs fight for.
void Flood(Rig& rig, const std::string& row) {
  constexpr uint32_t kCapacity = 1 << 20, kEstablished = kCapacity / 2;
  BenchmarkWorld world({.flows_per_worker = kCapacity});
  TrafficSource all({.kind = Kind::kAll, .flows = kEstablished});
  rig.Run(&all, &world, 2 * kEstablished);
  const CounterValues before = rig.Run(&all, &world, kEstablished);
  TrafficSource syns({.kind = Kind::kSyns, .flows = kEstablished});
  rig.Run(&syns, &world, 8 * kCapacity);
  const CounterValues counted = Measure(rig, row, &syns, &world);
  CheckShare(counted, counted[Counter::flow_evictions] + counted[Counter::flow_insert_failures],
             0.99, row);
  const CounterValues after = rig.Run(&all, &world, kEstablished);
  PrintRow(row + "_kept", "percent",
           {100.0 * static_cast<double>(after[Counter::flow_hits]) /
            static_cast<double>(before[Counter::flow_hits])});
}

void Miss(Rig& rig, const std::string& row) {
  BenchmarkWorld world({});
  TrafficSource source({.kind = Kind::kMiss, .flows = 1000});
  const CounterValues counted = Measure(rig, row, &source, &world);
  // There is no kernel twin here; what its ring would cost is not in the figure.
  CheckShare(counted, counted[DropReason::no_kernel_twin], 1, row);
}

void Mixed(Rig& rig, const std::string& row) {
  constexpr uint32_t kFlows = 1'000'000;
  BenchmarkWorld world({.ten_pools = true, .flows_per_worker = 4 << 20});
  TrafficSource all({.kind = Kind::kAll, .both_families = true, .flows = kFlows});
  rig.Run(&all, &world, RoundedUp(2 * kFlows));
  TrafficSource source({.kind = Kind::kMixed, .both_families = true, .flows = kFlows});
  const CounterValues counted = Measure(rig, row, &source, &world);
  CheckShare(counted, counted[Counter::flow_hits], 0.92, row);
  CheckShare(counted, counted[Counter::forwarded_packets], 0.99, row);
}

struct LaneRun {
  Lane* lane;
  TrafficSource* source;
  Lane::Amount amount;
  BenchmarkWorld* world;
  uint32_t worker;
  Publisher* publisher;
  double ns_per_packet = 0;

  static int Run(void* self) {
    auto& run = *static_cast<LaneRun*>(self);
    run.ns_per_packet = run.lane
                            ->RunWorker(run.source, run.amount, run.world->tables(),
                                        run.world->flows(run.worker), run.publisher)
                            .ns_per_packet;
    return 0;
  }
};

// Packets a second of two workers, each on its own CPU, over those of one.
void TwoWorkers(Rig& rig, const std::string& row) {
  constexpr uint32_t kFlows = 100'000;
  BenchmarkWorld world({.workers = kMaxWorkers});
  std::vector<std::unique_ptr<TrafficSource>> sources;
  std::vector<LaneRun> runs;
  for (uint32_t i = 0; i < kMaxWorkers; ++i) {
    TrafficSource all({.kind = Kind::kAll, .flows = kFlows});
    rig.lanes[i]->RunWorker(&all, {.warm_up = 0, .measured = RoundedUp(2 * kFlows)}, world.tables(),
                            world.flows(i), rig.publisher.get());
    sources.push_back(std::make_unique<TrafficSource>(
        TrafficSource::Options{.kind = Kind::kKnown, .flows = kFlows, .seed = i + 1}));
    runs.push_back({.lane = rig.lanes[i].get(),
                    .source = sources[i].get(),
                    .amount = {.warm_up = kWarmUpPackets, .measured = 4 * FLAGS_packets},
                    .world = &world,
                    .worker = i,
                    .publisher = rig.publisher.get()});
  }
  std::vector<double> ratios;
  for (uint32_t run = 0; run < FLAGS_runs; ++run) {
    LaneRun::Run(&runs[0]);
    const double alone_ns = runs[0].ns_per_packet;
    CHECK_EQ(rte_eal_remote_launch(&LaneRun::Run, &runs[1], 1), 0);
    LaneRun::Run(&runs[0]);
    rte_eal_wait_lcore(1);
    ratios.push_back(alone_ns * (1 / runs[0].ns_per_packet + 1 / runs[1].ns_per_packet));
  }
  PrintRow(row, "x", ratios);
}

std::vector<Case> AllCases() {
  struct Count {
    const char* name;
    uint32_t flows;
  };
  constexpr Count kCounts[] = {
      {"1", 1}, {"1k", 1000}, {"100k", 100'000}, {"1m", 1'000'000}, {"4m", 4'000'000}};
  std::vector<Case> cases;
  for (const IpFamily family : {IpFamily::kIpv4, IpFamily::kIpv6}) {
    const std::string name = family == IpFamily::kIpv4 ? "ipv4" : "ipv6";
    for (const Count& count : kCounts) {
      cases.push_back(
          {"known_" + name + "_ipip_" + count.name,
           [=](Rig& rig, const std::string& row) { Known(rig, row, {}, family, count.flows); }});
    }
  }
  for (const Count& count : {kCounts[1], kCounts[3]}) {
    const std::string flows = count.name;
    const auto known = [&](const std::string& name, const BenchmarkWorld::Options& options) {
      cases.push_back({"known_ipv4_" + name + "_" + flows, [=](Rig& rig, const std::string& row) {
                         Known(rig, row, options, IpFamily::kIpv4, count.flows);
                       }});
    };
    known("gue", {.encapsulation = Encapsulation::kGue, .gue_hop_list = true});
    known("l2", {.encapsulation = Encapsulation::kL2});
    cases.push_back({"gue_second_chance_" + flows, [=](Rig& rig, const std::string& row) {
                       SecondChance(rig, row, count.flows);
                     }});
  }
  cases.push_back({"new_flows_1m", NewFlows});
  cases.push_back({"syn_flood_full", Flood});
  cases.push_back({"vip_miss", Miss});
  cases.push_back({"mixed", Mixed});
  cases.push_back({"two_workers", TwoWorkers});
  return cases;
}

bool IsWanted(const std::string& row, int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    // The second form: a further row of the same case.
    if (absl::StartsWith(row, argv[i]) || absl::StartsWith(argv[i], row + "_")) return true;
  }
  return argc == 1;
}

}  // namespace
}  // namespace guideway

int main(int argc, char** argv) {
  google::InitGoogleLogging(argv[0]);
  FLAGS_minloglevel = google::GLOG_WARNING;
  FLAGS_logtostderr = true;
  gflags::ParseCommandLineFlags(&argc, &argv, /*remove_flags=*/true);
  const auto cases = guideway::AllCases();
  if (FLAGS_list) {
    for (const auto& one : cases) std::puts(one.row.c_str());
    return 0;
  }
  guideway::Rig rig;
  for (const auto& one : cases) {
    if (guideway::IsWanted(one.row, argc, argv)) one.measure(rig, one.row);
  }
  return 0;
}
