// Throughput search: it ends at the device's limit within resolution and trials, or says 0.
#include "perf/generator/rate_search.h"

#include <catch2/catch.hpp>
#include <vector>

namespace guideway {
namespace {

// Runs the search against a device that loses nothing up to `limit`; returns the rates tried.
std::vector<double> SearchUpTo(RateSearch* search, double limit) {
  std::vector<double> tried;
  while (const auto rate = search->Next()) {
    REQUIRE(tried.size() < 1000);
    tried.push_back(*rate);
    search->Report(*rate <= limit);
  }
  return tried;
}

TEST_CASE("The highest rate comes first and ends the search if it passes") {
  RateSearch search({.highest = 10, .resolution = 0.1, .trials = 20});
  CHECK(SearchUpTo(&search, 10) == std::vector<double>{10});
  CHECK(search.best() == 10);
  CHECK(search.trials() == 1);
}

TEST_CASE("The interval between pass and fail is halved") {
  RateSearch search({.highest = 8, .resolution = 1, .trials = 20});
  CHECK(SearchUpTo(&search, 5.5) == std::vector<double>{8, 4, 6, 5});
  CHECK(search.best() == 5);
}

TEST_CASE("The result is within the resolution below any limit") {
  for (double limit = 0.2; limit < 10; limit += 0.07) {
    RateSearch search({.highest = 10, .resolution = 0.1, .trials = 20});
    SearchUpTo(&search, limit);
    CAPTURE(limit);
    CHECK(search.best() <= limit);
    CHECK(search.best() >= limit - 0.1);
  }
}

TEST_CASE("So many trials and no more") {
  RateSearch search({.highest = 10, .resolution = 1e-9, .trials = 5});
  CHECK(SearchUpTo(&search, 3).size() == 5);
  CHECK(search.trials() == 5);
  search.Report(true);
  CHECK(search.trials() == 5);
}

TEST_CASE("A device that loses at every rate has no loss-free one") {
  RateSearch search({.highest = 10, .resolution = 0.1, .trials = 50});
  SearchUpTo(&search, -1);
  CHECK(search.best() == 0);
}

TEST_CASE("Without a highest rate there is nothing to try") {
  RateSearch search({.highest = 0, .resolution = 0.1, .trials = 50});
  CHECK_FALSE(search.Next().has_value());
}

TEST_CASE("Next() says the same until the outcome is reported") {
  RateSearch search({.highest = 8, .resolution = 1, .trials = 20});
  CHECK(search.Next() == 8);
  CHECK(search.Next() == 8);
  search.Report(false);
  CHECK(search.Next() == 4);
}

TEST_CASE("With several attempts a rate fails only when all have failed") {
  RateSearch search({.highest = 8, .resolution = 1, .trials = 20, .attempts = 2});
  search.Report(false);
  CHECK(search.Next() == 8);
  search.Report(false);
  CHECK(search.Next() == 4);
  search.Report(false);
  CHECK(search.Next() == 4);
  search.Report(true);
  CHECK(search.best() == 4);
  CHECK(search.Next() == 6);
  // The failure at 4 does not count against 6.
  search.Report(false);
  CHECK(search.Next() == 6);
}

}  // namespace
}  // namespace guideway
