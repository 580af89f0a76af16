// Which changes of health count for which tables, and quantiles.
#include "controlplane/update_latency.h"

#include <catch2/catch.hpp>

namespace guideway {
namespace {

absl::Duration At(int ms) { return absl::Milliseconds(ms); }

TEST_CASE("a change counts from the verdict to the tables that have it, not to earlier ones") {
  UpdateLatency latency;
  latency.Changed("a", At(0));
  latency.Changed("b", At(5));
  latency.Compiled("a");
  latency.Sent(1);
  latency.Changed("a", At(8));  // after its tables were made
  latency.InForce(1, At(10));
  CHECK(latency.count() == 1);
  CHECK(latency.Quantile(1) == At(10));
  latency.Compiled("a");
  latency.Compiled("b");
  latency.Sent(2);
  latency.Sent(3);  // nothing new; replaces 2, which is never answered
  latency.InForce(1, At(20));
  CHECK(latency.count() == 1);
  latency.InForce(3, At(35));
  CHECK(latency.count() == 3);
  CHECK(latency.Quantile(1) == At(30));
  CHECK(latency.Quantile(0.5) == At(27));
  CHECK(latency.Quantile(0) == At(10));
}

TEST_CASE("what was on its way to a lost data plane does not count") {
  UpdateLatency latency;
  CHECK(latency.Quantile(0.99) == absl::ZeroDuration());
  latency.Changed("a", At(0));
  latency.Compiled("a");
  latency.Sent(1);
  latency.Changed("a", At(1));
  latency.Forget();
  latency.Compiled("a");
  latency.Sent(2);
  latency.InForce(2, At(100));
  CHECK(latency.count() == 0);
}

TEST_CASE("the newest 256 count") {
  UpdateLatency latency;
  for (int i = 0; i < 5000; ++i) {
    latency.Changed("a", At(0));
    latency.Compiled("a");
    latency.Sent(static_cast<uint64_t>(i));
    latency.InForce(static_cast<uint64_t>(i), At(i));
  }
  CHECK(latency.count() == 5000);
  CHECK(latency.Quantile(0) == At(5000 - 256));
  CHECK(latency.Quantile(1) == At(4999));
}

}  // namespace
}  // namespace guideway
