// guideway-generator: offers 64-byte packets to whatever is at the other end of a memif, and
// measures how many come back and when. JSON lines on stdout, text on stderr; perf/generator/run.py
// runs it.
//
// --mode=echo is that other end at its cheapest: it sends back what it receives, without a look.
#include <gflags/gflags.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "dataplane/path/packet.h"
#include "lib/base/status.h"
#include "perf/generator/rate_search.h"
#include "perf/generator/trial.h"

DEFINE_string(mode, "measure", "measure, or echo: send back what comes until SIGTERM");
DEFINE_string(socket, "", "the memif's Unix socket; echo listens on it, measure connects to it");
DEFINE_uint32(cpu, 0, "CPU to run on, and to keep busy");
DEFINE_uint32(ring_log2, 11, "slots of the memif's rings, as power of two");
DEFINE_uint32(buffer_bytes, 2048, "bytes of a slot");
DEFINE_uint32(flows, 1000, "flows, each packet is of one of them at random");
DEFINE_uint32(vips, 16, "VIPs");
DEFINE_string(first_vip, "203.0.113.1", "the lowest VIP; port 80");
DEFINE_string(destination_mac, "02:00:00:00:00:01", "of the port at the other end");
DEFINE_uint32(outer_bytes, 20, "bytes before the inner packet in what comes back: 20 with IPIP");
DEFINE_bool(warm_up, true, "first send a SYN and an ACK of every flow, so that all are known");
DEFINE_double(trial_seconds, 2, "length of a trial");
DEFINE_uint32(trials, 10, "most trials of a search");
DEFINE_uint32(attempts, 1, "trials of a rate that all must lose before the rate counts as lossy");
DEFINE_double(resolution, 0.01, "of the search, as share of the rate where it starts");
DEFINE_double(loss_threshold, 0, "share of packets that may be lost in a trial that passes");
DEFINE_uint32(runs, 3, "searches, each followed by the loads");
DEFINE_string(loads, "10,50,90", "percent of the loss-free rate at which latency is measured");

namespace guideway {
namespace {

constexpr double kWarmUpPacketsPerSecond = 1e6;
constexpr double kPeerSeconds = 20;
// A trial whose sender was late for more than this share did not offer its rate.
constexpr double kMostWithheld = 0.02;

std::atomic<bool> stop{false};

double Mpps(uint64_t packets, double seconds) {
  return static_cast<double>(packets) / seconds / 1e6;
}

double Micros(uint64_t ticks) {
  return static_cast<double>(ticks) * 1e6 / static_cast<double>(rte_get_tsc_hz());
}

bool Offered(const TrialResult& trial) {
  return static_cast<double>(trial.withheld) <=
         kMostWithheld * static_cast<double>(trial.withheld + trial.offered());
}

bool LostFew(const TrialResult& trial) {
  return static_cast<double>(trial.lost()) <=
         FLAGS_loss_threshold * static_cast<double>(trial.offered());
}

double Micros(const LatencyHistogram& ticks, double share) {
  return Micros(ticks.Percentile(share));
}

// The fields that every kind of trial has.
std::string Fields(const TrialResult& trial) {
  return absl::StrFormat(
      R"("offered_mpps": %.4f, "received_mpps": %.4f, "offered": %d, "received": %d, "lost": %d, )"
      R"("rejected": %d, "withheld": %d, "reordered": %d, "foreign": %d, "p50_us": %.2f, )"
      R"("p90_us": %.2f, "p99_us": %.2f, "p99_9_us": %.2f, "max_us": %.2f, "interruptions": %d, )"
      R"("interrupted_ms": %.2f, "max_with_interruptions_us": %.2f)",
      Mpps(trial.offered(), trial.seconds), Mpps(trial.received, trial.seconds), trial.offered(),
      trial.received, trial.lost(), trial.rejected, trial.withheld, trial.reordered, trial.foreign,
      Micros(trial.ticks, 0.5), Micros(trial.ticks, 0.9), Micros(trial.ticks, 0.99),
      Micros(trial.ticks, 0.999), Micros(trial.ticks.largest()), trial.interruptions,
      trial.interrupted_seconds * 1e3,
      Micros(std::max(trial.ticks.largest(), trial.interrupted_ticks.largest())));
}

void Print(const std::string& line) {
  std::printf("{%s}\n", line.c_str());
  std::fflush(stdout);
}

// Returns the loss-free rate in packets a second.
double Search(Sender* sender, uint32_t run) {
  const TrialResult unpaced = sender->RunUnpaced(FLAGS_trial_seconds);
  Print(absl::StrFormat(R"("kind": "saturated", "run": %d, %s)", run, Fields(unpaced)));
  // Overload costs the other side, too: the rate searched for may be above what it manages then.
  const double highest = 1.2 * static_cast<double>(unpaced.received) / unpaced.seconds;
  RateSearch search({.highest = highest,
                     .resolution = FLAGS_resolution * highest,
                     .trials = FLAGS_trials,
                     .attempts = FLAGS_attempts});
  double best = 0;
  std::string limit = "the search's range";
  while (const std::optional<double> rate = search.Next()) {
    const TrialResult trial =
        sender->Run({.packets_per_second = *rate, .seconds = FLAGS_trial_seconds});
    const bool passed = Offered(trial) && LostFew(trial);
    if (passed) best = static_cast<double>(trial.offered()) / trial.seconds;
    if (!passed) limit = LostFew(trial) ? "generator" : "loss";
    search.Report(passed);
    Print(absl::StrFormat(R"("kind": "trial", "run": %d, "rate_mpps": %.4f, "passed": %s, %s)", run,
                          *rate / 1e6, passed ? "true" : "false", Fields(trial)));
  }
  Print(absl::StrFormat(
      R"("kind": "loss_free", "run": %d, "loss_free_mpps": %.4f, "trials": %d, "limit": "%s")", run,
      best / 1e6, search.trials(), limit));
  return best;
}

absl::Status WarmUp(Sender* sender) {
  for (const uint8_t flags : {kTcpSyn, kTcpAck}) {
    const TrialResult trial = sender->SendAll(flags, kWarmUpPacketsPerSecond);
    if (trial.received == 0) {
      return absl::UnavailableError(absl::StrCat("of ", trial.accepted,
                                                 " packets that were sent none came back as "
                                                 "expected, ",
                                                 trial.foreign, " otherwise"));
    }
    Print(absl::StrFormat(R"("kind": "warm_up", "flags": %d, %s)", flags, Fields(trial)));
  }
  return absl::OkStatus();
}

absl::Status Measure(const MemifPort& port) {
  std::vector<double> loads;
  for (const std::string& text : std::vector<std::string>(absl::StrSplit(FLAGS_loads, ','))) {
    double percent = 0;
    if (!absl::SimpleAtod(text, &percent) || percent <= 0 || percent > 100) {
      return absl::InvalidArgumentError(absl::StrCat("--loads: \"", text, "\" is no percentage"));
    }
    loads.push_back(percent);
  }
  GW_ASSIGN_OR_RETURN(const MacAddress destination, MacAddress::Parse(FLAGS_destination_mac));
  GW_ASSIGN_OR_RETURN(const IpAddress vip, IpAddress::Parse(FLAGS_first_vip));
  if (!vip.IsIpv4()) return absl::InvalidArgumentError("--first_vip: must be an IPv4 address");
  const Frames frames({.source = {.bytes = {2, 0, 0, 0, 0, 2}},
                       .destination = destination,
                       .first_vip = vip.ipv4(),
                       .vips = FLAGS_vips});
  Sender sender(&port, &frames, FLAGS_outer_bytes, FLAGS_flows);
  if (FLAGS_warm_up) GW_RETURN_IF_ERROR(WarmUp(&sender));
  for (uint32_t run = 0; run < FLAGS_runs; ++run) {
    const double loss_free = Search(&sender, run);
    if (loss_free <= 0) continue;  // lost at every rate: no load to speak of
    for (const double percent : loads) {
      const TrialResult trial = sender.Run(
          {.packets_per_second = loss_free * percent / 100, .seconds = FLAGS_trial_seconds});
      Print(absl::StrFormat(R"("kind": "load", "run": %d, "load_percent": %g, %s)", run, percent,
                            Fields(trial)));
    }
  }
  return absl::OkStatus();
}

void Echo(const MemifPort& port) {
  constexpr uint16_t kBurst = 32;
  rte_mbuf* packets[kBurst];
  std::fprintf(stderr, "ready\n");
  while (!stop.load(std::memory_order_relaxed)) {
    const uint16_t count = rte_eth_rx_burst(port.device(), 0, packets, kBurst);
    if (count == 0) continue;
    const uint16_t sent = rte_eth_tx_burst(port.device(), 0, packets, count);
    if (sent < count) rte_pktmbuf_free_bulk(packets + sent, count - sent);
  }
}

absl::Status Run() {
  if (FLAGS_socket.empty()) return absl::InvalidArgumentError("--socket: is needed");
  if (FLAGS_mode != "measure" && FLAGS_mode != "echo") {
    return absl::InvalidArgumentError(absl::StrCat("--mode: \"", FLAGS_mode, "\" is no mode"));
  }
  if (FLAGS_flows < 1 || FLAGS_flows > Frames::kMostFlows || FLAGS_vips < 1) {
    return absl::InvalidArgumentError(absl::StrCat("--flows: 1 to ", Frames::kMostFlows));
  }
  const bool echo = FLAGS_mode == "echo";
  GW_ASSIGN_OR_RETURN(const std::unique_ptr<MemifPort> port,
                      MemifPort::Open({.server = echo,
                                       .socket = FLAGS_socket,
                                       .cpu = FLAGS_cpu,
                                       .ring_log2 = FLAGS_ring_log2,
                                       .buffer_bytes = FLAGS_buffer_bytes}));
  if (echo) {
    Echo(*port);
    return absl::OkStatus();
  }
  GW_RETURN_IF_ERROR(port->WaitForPeer(kPeerSeconds));
  GW_RETURN_IF_ERROR(Measure(*port));
  // The memif driver takes the shared memory away from a peer that may still poll it. So the peer
  // is to end first; who started both says when by closing the input.
  Print(R"("kind": "end")");
  while (std::getchar() != EOF) {
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace guideway

int main(int argc, char** argv) {
  gflags::SetUsageMessage("a packet generator for memif; see perf/README.md");
  gflags::ParseCommandLineFlags(&argc, &argv, true);
  std::signal(SIGTERM, [](int) { guideway::stop.store(true, std::memory_order_relaxed); });
  const absl::Status status = guideway::Run();
  if (status.ok()) return 0;
  std::fprintf(stderr, "guideway-generator: %s\n", std::string(status.message()).c_str());
  return 1;
}
