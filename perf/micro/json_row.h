// One line of JSON for a row of the results: what all micro benchmarks print on stdout.
#ifndef GUIDEWAY_PERF_MICRO_JSON_ROW_H_
#define GUIDEWAY_PERF_MICRO_JSON_ROW_H_

#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace guideway {

// Of a sorted or unsorted, not empty list.
inline double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// `values`: one a run; `extra`: further fields.
inline void PrintRow(const std::string& row, const std::string& unit,
                     const std::vector<double>& values,
                     const std::vector<std::pair<std::string, double>>& extra = {}) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  std::string line = absl::StrFormat(
      R"({"row": "%s", "unit": "%s", "value": %.4g, "low": %.4g, "high": %.4g, "runs": %d)", row,
      unit, Median(values), *low, *high, values.size());
  for (const auto& [name, value] : extra)
    absl::StrAppendFormat(&line, R"(, "%s": %.5g)", name, value);
  std::puts(absl::StrCat(line, "}").c_str());
  std::fflush(stdout);
}

}  // namespace guideway

#endif  // GUIDEWAY_PERF_MICRO_JSON_ROW_H_
