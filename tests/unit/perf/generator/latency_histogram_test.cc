// Latency histogram: buckets cover all values without gap, percentiles agree with sorted values.
#include "perf/generator/latency_histogram.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace guideway {
namespace {

constexpr uint64_t kLargest = std::numeric_limits<uint64_t>::max();

TEST_CASE("Buckets follow each other without gap or overlap up to the largest value") {
  for (size_t bucket = 0; bucket < LatencyHistogram::kBuckets; ++bucket) {
    const uint64_t largest = LatencyHistogram::LargestOf(bucket);
    REQUIRE(LatencyHistogram::BucketOf(largest) == bucket);
    if (largest == kLargest) {
      REQUIRE(bucket == LatencyHistogram::kBuckets - 1);
    } else {
      REQUIRE(LatencyHistogram::BucketOf(largest + 1) == bucket + 1);
    }
  }
  CHECK(LatencyHistogram::BucketOf(kLargest) == LatencyHistogram::kBuckets - 1);
}

TEST_CASE("A bucket is at most 1/32 of its values wide") {
  for (size_t bucket = 1; bucket < LatencyHistogram::kBuckets; ++bucket) {
    const uint64_t smallest = LatencyHistogram::LargestOf(bucket - 1) + 1;
    REQUIRE((LatencyHistogram::LargestOf(bucket) - smallest) <= smallest / 32);
  }
}

TEST_CASE("Without values everything is 0") {
  const LatencyHistogram histogram;
  CHECK(histogram.count() == 0);
  CHECK(histogram.largest() == 0);
  CHECK(histogram.Percentile(0.99) == 0);
}

TEST_CASE("Small values are exact") {
  LatencyHistogram histogram;
  for (uint64_t value = 1; value <= 10; ++value) histogram.Add(value);
  CHECK(histogram.count() == 10);
  CHECK(histogram.Percentile(0) == 1);
  CHECK(histogram.Percentile(0.1) == 1);
  CHECK(histogram.Percentile(0.5) == 5);
  CHECK(histogram.Percentile(0.51) == 6);
  CHECK(histogram.Percentile(0.9) == 9);
  CHECK(histogram.Percentile(1) == 10);
}

TEST_CASE("One value far off shows in the largest and in no lower percentile") {
  LatencyHistogram histogram;
  for (int i = 0; i < 999; ++i) histogram.Add(1000);
  histogram.Add(1'000'000);
  CHECK(histogram.Percentile(0.999) < 1032);
  CHECK(histogram.Percentile(0.9991) == 1'000'000);
  CHECK(histogram.largest() == 1'000'000);
}

TEST_CASE("No percentile exceeds the largest value") {
  LatencyHistogram histogram;
  histogram.Add(1025);  // the bucket goes to 1055
  CHECK(histogram.Percentile(0.5) == 1025);
}

TEST_CASE("Percentiles are at or above the exact ones, by 1/32 at most") {
  std::mt19937_64 random(7);
  LatencyHistogram histogram;
  std::vector<uint64_t> values;
  for (int i = 0; i < 20'000; ++i) {
    const uint64_t value = random() >> (random() % 50);
    values.push_back(value);
    histogram.Add(value);
  }
  std::sort(values.begin(), values.end());
  for (const double share : {0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999}) {
    const uint64_t exact =
        values[static_cast<size_t>(std::ceil(share * static_cast<double>(values.size()))) - 1];
    const uint64_t found = histogram.Percentile(share);
    CAPTURE(share, exact, found);
    CHECK(found >= exact);
    CHECK(found - exact <= exact / 32);
  }
}

}  // namespace
}  // namespace guideway
