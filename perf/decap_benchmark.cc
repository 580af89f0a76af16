// Nanoseconds that the programs of guideway-decap take for a frame, by the kernel's own clock
// (BPF_PROG_TEST_RUN with repeat). Run by hand, as root: build/perf/decap_benchmark.
//
// The kernel runs the program again and again on one buffer. A program that changes the frame would
// see its own output, so each repetition is one call with a fresh frame where it does; what such a
// call costs around the program is measured by a frame that is left at once, and subtracted.
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <sched.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "dataplane/decap/attach.h"

namespace guideway {
namespace {

using Bytes = std::vector<uint8_t>;
constexpr int kRuns = 20000;

Bytes FromHex(const std::string& hex) {
  const std::string bytes = absl::HexStringToBytes(hex);
  return {bytes.begin(), bytes.end()};
}

// Median of single runs, each on a fresh frame.
uint32_t Nanoseconds(int program, const Bytes& frame) {
  std::vector<uint32_t> runs;
  Bytes out(frame.size() + 256);
  for (int i = 0; i < kRuns; ++i) {
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.data(), .data_out = out.data(),
                .data_size_in = static_cast<uint32_t>(frame.size()),
                .data_size_out = static_cast<uint32_t>(out.size()), .repeat = 1);
    if (bpf_prog_test_run_opts(program, &options) != 0) {
      std::perror("BPF_PROG_TEST_RUN");
      std::exit(1);
    }
    runs.push_back(options.duration);
  }
  std::nth_element(runs.begin(), runs.begin() + kRuns / 2, runs.end());
  return runs[kRuns / 2];
}

// A million runs on one frame that is not changed.
uint32_t NanosecondsRepeated(int program, const Bytes& frame) {
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.data(),
              .data_size_in = static_cast<uint32_t>(frame.size()), .repeat = 1000000);
  if (bpf_prog_test_run_opts(program, &options) != 0) std::exit(1);
  return options.duration;
}

int Main(int argc, char** argv) {
  if (argc != 2 || unshare(CLONE_NEWNET) != 0 ||
      std::system("ip link set lo up && ip addr add 198.51.100.7 dev lo") != 0) {
    std::fprintf(stderr, "usage, as root: decap_benchmark GOLDEN_FRAMES\n");
    return 2;
  }
  DecapConfig config;
  config.interface = "lo";
  config.interface_index = config.next_hop_index = 1;
  for (const char* vip : {"198.51.100.7", "2001:db8:a::7"}) {
    config.vips.push_back(IpAddress::Parse(vip).value());
  }
  for (const char* from : {"10.0.1.0/24", "2001:db8:1b::/64"}) {
    config.from.push_back(IpPrefix::Parse(from).value());
  }
  for (const char* local : {"10.0.0.1", "2001:db8:b::1"}) {
    config.locals.push_back(IpAddress::Parse(local).value());
  }
  config.gue_ports = {6080};
  const auto programs = DecapPrograms::Load(config);
  if (!programs.ok()) {
    std::fprintf(stderr, "%s\n", std::string(programs.status().message()).c_str());
    return 1;
  }
  const int program = (*programs)->xdp_fd();
  std::FILE* golden = std::fopen(argv[1], "r");
  char name[100], verdict[100];
  static char in[8192], out[8192];
  const std::vector<std::string> left = {"not-ip", "plain", "plain6", "ipip-4in4-stranger"};
  const std::vector<std::string> changed = {
      "ipip-4in4", "ipip-6in6",          "gre-4in4",           "gue-4in4",
      "gue-6in6",  "hops-4in4-0-of-1-1", "hops-6in6-0-of-1-1", "hops-4in4-1-of-1-1"};
  uint32_t overhead = 0;
  while (golden && std::fscanf(golden, "%99s %99s %8191s %8191s", name, verdict, in, out) == 4) {
    const Bytes frame = FromHex(in);
    if (overhead == 0) {
      const Bytes other(60, 0);
      const uint32_t single = Nanoseconds(program, other);
      const uint32_t repeated = NanosecondsRepeated(program, other);
      overhead = single - std::min(single, repeated);
      std::printf("%-22s %-14s %6u\n", "(cost of a single run)", "", overhead);
    }
    if (std::find(left.begin(), left.end(), name) != left.end()) {
      std::printf("%-22s %-14s %6u\n", name, verdict, NanosecondsRepeated(program, frame));
    }
    if (std::find(changed.begin(), changed.end(), name) != changed.end()) {
      const uint32_t single = Nanoseconds(program, frame);
      std::printf("%-22s %-14s %6u\n", name, verdict, single - std::min(single, overhead));
    }
  }
  return golden ? 0 : 1;
}

}  // namespace
}  // namespace guideway

int main(int argc, char** argv) { return guideway::Main(argc, argv); }
