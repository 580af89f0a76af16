// What a worker counts for each VIP and backend: from zero with a new owner, and adding up.
#include <catch2/catch.hpp>
#include <memory>
#include <vector>

#include "dataplane/manager/traffic_totals.h"
#include "tests/unit/dataplane/worker_bench.h"

namespace guideway {
namespace {

TEST_CASE("an index that gets another owner counts from zero") {
  Bench bench;
  std::vector<std::unique_ptr<Worker>> workers;
  workers.push_back(std::move(bench.worker));
  bench.worker_in_use = workers[0].get();
  TrafficTotals totals(&workers);
  TableState tables;
  tables.vips.resize(6);
  tables.vips[5] = {.exists = true,
                    .body = {.index = 5,
                             .pool = 0,
                             .address = Address("192.0.2.80"),
                             .port = Be16(80),
                             .protocol = 6,
                             .max_segment_size = 0,
                             .half_open_s = 0,
                             .established_s = 0,
                             .closing_s = 0,
                             .udp_s = 0,
                             .half_closed_s = 0}};
  tables.backends.resize(4);
  tables.backends[3].exists = true;
  tables.backends[3].body.incarnation = 1;
  totals.Follow(tables);
  bench.Send(VipFrame(1));
  bench.Start();
  bench.AwaitReceived(1);
  totals.Follow(tables);  // the same owners
  CHECK(totals.Vip(5).packets == 1);
  CHECK(totals.Backend(3).packets == 1);
  tables.vips[5].body.port = Be16(81);
  tables.backends[3].body.incarnation = 2;
  totals.Follow(tables);
  CHECK(totals.Vip(5).packets == 0);
  CHECK(totals.Backend(3).bytes == 0);
  bench.Send(VipFrame(2));
  bench.AwaitReceived(2);
  CHECK(totals.Vip(5).packets == 1);
  CHECK(totals.Backend(3).new_flows == 1);
  CHECK(totals.FormerVips().packets == 1);
  bench.StopAndJoin();
}

TEST_CASE("what is counted of a backend's flows: by its incarnation, and its flows now") {
  Bench bench;
  std::vector<std::unique_ptr<Worker>> workers;
  workers.push_back(std::move(bench.worker));
  bench.worker_in_use = workers[0].get();
  TrafficTotals totals(&workers);
  TableState tables;
  tables.backends.resize(4);
  tables.backends[3].exists = true;
  tables.backends[3].body.incarnation = 1;
  totals.Follow(tables);
  const auto of = [&](BackendCounter counter) {
    return totals.BackendFlows(3).counters[static_cast<size_t>(counter)];
  };
  PacketSpec syn, reset;
  syn.source = reset.source = "198.51.100.9";
  syn.destination = reset.destination = "192.0.2.80";
  syn.destination_port = reset.destination_port = 80;
  syn.source_port = reset.source_port = 4000;
  syn.tcp_flags = kTcpSyn;
  reset.tcp_flags = kTcpRst;
  bench.Start();
  for (int i = 0; i < 3; ++i) bench.Send(Frame(syn));
  bench.AwaitReceived(3);
  bench.Send(Frame(reset));
  bench.AwaitReceived(4);
  CHECK(of(BackendCounter::syn_retransmissions) == 2);
  CHECK(of(BackendCounter::client_resets) == 1);
  CHECK(of(BackendCounter::unanswered_flows) == 0);
  CHECK(totals.BackendFlows(3).active_flows == 1);
  CHECK(bench.Counters()[Counter::syn_retransmissions] == 2);
  CHECK(bench.Counters()[Counter::client_resets] == 1);
  tables.backends[3].body.incarnation = 2;
  totals.Follow(tables);
  CHECK(of(BackendCounter::syn_retransmissions) == 0);
  CHECK(of(BackendCounter::client_resets) == 0);
  CHECK(totals.BackendFlows(3).active_flows == 1);  // until the sweep comes by
  bench.StopAndJoin();
}

// Each verdict and drop reason, summed over the VIPs and no VIP, is the total.
void CheckSums(const TrafficTotals& totals, const CounterValues& counters) {
  uint64_t forwarded = totals.FormerVips().packets;
  channel::OtherVerdictValues sum = totals.NoVip();
  for (uint32_t i = 0; i < channel::kMaxVips; ++i) {
    const channel::OtherVerdictValues vip = totals.VipOthers(i);
    forwarded += totals.Vip(i).packets;
    sum.to_kernel_packets += vip.to_kernel_packets;
    sum.answered_packets += vip.answered_packets;
    for (size_t k = 0; k < kDropReasonCount; ++k) sum.drops[k] += vip.drops[k];
  }
  CHECK(forwarded == counters[Counter::forwarded_packets]);
  CHECK(sum.to_kernel_packets == counters[Counter::to_kernel_packets]);
  CHECK(sum.answered_packets == counters[Counter::answered_packets]);
  for (size_t k = 0; k < kDropReasonCount; ++k) {
    CAPTURE(kDropReasons[k].name);
    CHECK(sum.drops[k] == counters.drops[k]);
  }
}

TEST_CASE("verdicts and drops by VIP and of no VIP sum up to the totals, by reason") {
  constexpr uint32_t kRoom = 10;
  Bench bench(kRoom);
  REQUIRE(bench.world.AddVip(6, "192.0.2.81", 80, IpProtocol::kTcp, 1));  // pool without backends
  std::vector<std::unique_ptr<Worker>> workers;
  workers.push_back(std::move(bench.worker));
  TrafficTotals totals(&workers);
  PacketSpec spec;
  spec.source = "198.51.100.9";
  spec.destination = "192.0.2.81";
  spec.destination_port = 80;
  for (int i = 0; i < 3; ++i) bench.Send(Frame(spec));  // no_backend
  spec.destination = "192.0.2.80";
  spec.ttl = 1;
  bench.Send(Frame(spec));   // ttl_expired
  bench.Send(OtherFrame());  // no_kernel_twin
  bench.SendScattered(VipFrame(2));
  constexpr uint32_t kForTheVip = 14;  // four more than there is room for
  for (uint16_t i = 0; i < kForTheVip; ++i) bench.Send(VipFrame(static_cast<uint16_t>(100 + i)));
  bench.Start();
  bench.AwaitReceived(6 + kForTheVip);
  bench.StopAndJoin();
  const auto drops = [](const channel::OtherVerdictValues& values, DropReason reason) {
    return values.drops[static_cast<size_t>(reason)];
  };
  CHECK(totals.Vip(5).packets == kRoom);
  CHECK(totals.Backend(3).packets == kRoom);
  CHECK(drops(totals.VipOthers(5), DropReason::transmit_queue_full) == kForTheVip - kRoom);
  CHECK(drops(totals.VipOthers(5), DropReason::ttl_expired) == 1);
  CHECK(drops(totals.VipOthers(6), DropReason::no_backend) == 3);
  CHECK(drops(totals.NoVip(), DropReason::no_kernel_twin) == 1);
  CHECK(drops(totals.NoVip(), DropReason::scattered_frame) == 1);
  CheckSums(totals, bench.Counters());
}

}  // namespace
}  // namespace guideway
