// The programs on golden frames, on every frame cut short, and on frames with damaged bytes.
#include <linux/if_ether.h>

#include <fstream>
#include <random>
#include <sstream>

#include "tests/unit/decap/decap_bench.h"

namespace guideway {
namespace {

struct Golden {
  std::string name, verdict;
  Bytes in;
  std::string out;
};

const std::vector<Golden>& GoldenFrames() {
  static const std::vector<Golden> all = [] {
    std::vector<Golden> read;
    const char* path = std::getenv("DECAP_GOLDEN");
    REQUIRE(path != nullptr);
    std::ifstream file(path);
    std::string line;
    while (std::getline(file, line)) {
      std::istringstream words(line);
      std::string in;
      Golden golden;
      REQUIRE(words >> golden.name >> golden.verdict >> in >> golden.out);
      golden.in = FromHex(in);
      read.push_back(golden);
    }
    REQUIRE(read.size() > 500);
    return read;
  }();
  return all;
}

bool IsDrop(const std::string& verdict) {
  return verdict.starts_with("bad_") || verdict == "hop_limit" || verdict == "congested" ||
         verdict == "failed";
}

bool IsRewritten(const std::string& verdict) {
  return verdict == "ipip" || verdict == "gre" || verdict == "gue" || verdict == "l3dsr" ||
         verdict.starts_with("next_hop");
}

TEST_CASE("golden frames") {
  DecapBench& bench = DecapBench::Get();
  Bytes mark;
  for (const Golden& golden : GoldenFrames()) {
    INFO(golden.name);
    Outcome outcome = bench.Run(golden.in);
    CHECK(outcome.verdict == golden.verdict);
    CHECK(outcome.action == (golden.out == "drop" ? XDP_DROP : XDP_PASS));
    if (golden.out == "drop") continue;
    if (golden.verdict.starts_with("next_hop")) {
      // The mark is the same for all, and no address of a vendor or of a group.
      const Bytes found(outcome.frame.begin() + 6, outcome.frame.begin() + 12);
      if (mark.empty()) mark = found;
      CHECK(found == mark);
      CHECK((found[0] & 3) == 2);
      std::fill(outcome.frame.begin() + 6, outcome.frame.begin() + 12, 0);
    }
    CHECK(outcome.frame == (golden.out == "same" ? golden.in : FromHex(golden.out)));
  }
}

// Cut frames keep their announced lengths, so none is ours any more.
TEST_CASE("a frame that is cut short is left alone or dropped") {
  DecapBench& bench = DecapBench::Get();
  int frames = 0;
  for (const Golden& golden : GoldenFrames()) {
    // Hop lists of each length would be the same again.
    if (golden.name.starts_with("hops-") && golden.name.find("1-of-3-1") == std::string::npos) {
      continue;
    }
    for (size_t length = ETH_HLEN; length < golden.in.size(); ++length) {
      const Bytes cut(golden.in.begin(), golden.in.begin() + static_cast<long>(length));
      const Outcome outcome = bench.Run(cut);
      INFO(golden.name << " cut to " << length << ": " << outcome.verdict);
      ++frames;
      // L3DSR changes headers, whatever is missing behind them.
      if (outcome.verdict == "l3dsr" && golden.verdict == "l3dsr") continue;
      if (outcome.action == XDP_DROP
              ? !IsDrop(outcome.verdict)
              : outcome.frame != cut || IsRewritten(outcome.verdict) || outcome.verdict == "?") {
        FAIL("mangled");
      }
    }
  }
  CHECK(frames > 10000);
}

TEST_CASE("damaged bytes: one verdict, and what is left alone is not touched") {
  DecapBench& bench = DecapBench::Get();
  std::mt19937 random(1);  // NOLINT: the same frames every time
  const auto& all = GoldenFrames();
  for (int i = 0; i < 20000; ++i) {
    const Golden& golden = all[random() % all.size()];
    Bytes frame = golden.in;
    for (auto n = 1 + random() % 3; n > 0; --n) {
      frame[12 + random() % (frame.size() - 12)] = static_cast<uint8_t>(random());
    }
    const Outcome outcome = bench.Run(frame);
    INFO(golden.name << ": " << outcome.verdict);
    if (outcome.verdict.empty() || outcome.verdict == "?") FAIL("not one verdict");
    if (IsDrop(outcome.verdict) != (outcome.action == XDP_DROP)) FAIL("wrong action");
    if (outcome.action == XDP_PASS && !IsRewritten(outcome.verdict) && outcome.frame != frame) {
      FAIL("touched");
    }
    if (outcome.frame.size() > frame.size()) FAIL("grown");
  }
}

TEST_CASE("the tc program sends marked frames only") {
  DecapBench& bench = DecapBench::Get();
  const auto run = [&](const Bytes& frame) {
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.data(),
                .data_size_in = static_cast<uint32_t>(frame.size()), .repeat = 1);
    REQUIRE(bpf_prog_test_run_opts(bench.programs()->tc_fd(), &options) == 0);
    return static_cast<int>(options.retval);
  };
  constexpr int kUnspecified = -1, kRedirect = 7;  // TC_ACT_...
  int marked = 0;
  for (const Golden& golden : GoldenFrames()) {
    CHECK(run(golden.in) == kUnspecified);
    if (!golden.verdict.starts_with("next_hop") || ++marked > 5) continue;
    CHECK(run(bench.Run(golden.in).frame) == kRedirect);
  }
  CHECK(marked > 5);
}

}  // namespace
}  // namespace guideway
