// Counts of probes by backend and pool over changes of the configuration.
#include "controlplane/health/probe_statistics.h"

#include <catch2/catch.hpp>

#include "absl/strings/str_cat.h"
namespace guideway {
namespace {

using Outcome = ProbeResult::Outcome;

TEST_CASE("probes are counted by backend and pool") {
  ProbeStatistics statistics;
  statistics.Record("a", Outcome::kSuccess, absl::Seconds(1));  // of nobody
  statistics.SetPools({{"a", "web"}, {"b", "web"}, {"c", "db"}});
  statistics.Record("a", Outcome::kSuccess, absl::Milliseconds(2));
  statistics.Record("a", Outcome::kNotRun, absl::Seconds(9));
  statistics.Record("b", Outcome::kFailure, absl::Seconds(3));
  CHECK(statistics.Find("a")->succeeded == 1);
  CHECK(statistics.Find("a")->not_run == 1);
  CHECK(statistics.Find("a")->last_duration == absl::Milliseconds(2));
  CHECK(statistics.Find("b")->failed == 1);
  const auto web = statistics.pools().at("web");
  CHECK(web.counts.succeeded == 1);
  CHECK(web.counts.failed == 1);
  CHECK(web.counts.not_run == 1);
  CHECK(web.durations.count() == 2);
  CHECK(web.durations.sum_seconds() == Approx(3.002));
  CHECK(statistics.pools().at("db").counts.succeeded == 0);
}

TEST_CASE("a pool keeps its counts while it is there, also when a backend goes") {
  ProbeStatistics statistics;
  statistics.SetPools({{"a", "web"}, {"b", "web"}, {"c", "db"}});
  statistics.Record("a", Outcome::kSuccess, absl::Milliseconds(2));
  statistics.Record("c", Outcome::kSuccess, absl::Milliseconds(2));
  statistics.SetPools({{"b", "web"}});
  statistics.Record("a", Outcome::kSuccess, absl::Milliseconds(2));  // of nobody any more
  CHECK(statistics.Find("a")->succeeded == 1);
  CHECK(statistics.pools().at("web").counts.succeeded == 1);
  CHECK(statistics.pools().count("db") == 0);
  statistics.Record("b", Outcome::kSuccess, absl::Milliseconds(2));
  CHECK(statistics.pools().at("web").counts.succeeded == 2);
  // Who comes back - disabled and enabled again - goes on counting.
  statistics.SetPools({{"a", "web"}, {"b", "web"}, {"c", "db"}});
  CHECK(statistics.Find("a")->succeeded == 1);
  CHECK(statistics.pools().at("db").counts.succeeded == 1);
}

TEST_CASE("what is gone for good is not remembered for ever") {
  ProbeStatistics statistics;
  std::map<std::string, std::string> keys;
  for (int i = 0; i < 5000; ++i) keys[absl::StrCat("b", i)] = absl::StrCat("p", i);
  statistics.SetPools(keys);
  statistics.SetPools({{"b7", "p7"}});
  CHECK(statistics.Find("b7") != nullptr);
  CHECK(statistics.Find("b8") == nullptr);
  CHECK(statistics.pools().size() == 1);
}

}  // namespace
}  // namespace guideway
