// The throughput search of RFC 2544, section 26.1: the highest rate at which a device loses nothing
// (or no more than the caller lets pass), by halving the interval between a rate that passed and
// one that did not.
//
//   RateSearch search({.highest = 10, ...});
//   while (const auto rate = search.Next()) search.Report(Passes(RunTrial(*rate)));
//   search.best()
//
// Rates have any unit, the caller's. Thread safety: a value; one thread at a time.
#ifndef GUIDEWAY_PERF_GENERATOR_RATE_SEARCH_H_
#define GUIDEWAY_PERF_GENERATOR_RATE_SEARCH_H_

#include <cstdint>
#include <optional>

namespace guideway {

class RateSearch {
 public:
  struct Options {
    double highest = 0;     // tried first; above it nothing is tried
    double resolution = 0;  // ends when best() is known this closely
    uint32_t trials = 0;    // ends after so many, whatever is known
    uint32_t attempts = 1;  // a rate fails only when so many trials of it in a row have failed
  };

  explicit RateSearch(const Options& options) : options_(options), failed_(options.highest) {}

  // The rate to try now; nothing when the search is over. Same answer until Report() is called.
  std::optional<double> Next() const;
  // The outcome of a trial at Next()'s rate. Ignored when the search is over.
  void Report(bool passed);

  // The highest rate that passed; 0 if none did.
  double best() const { return passed_; }
  uint32_t trials() const { return trials_; }

 private:
  Options options_;
  double passed_ = 0;  // highest rate that passed
  double failed_;      // lowest rate that failed, options_.highest before one did
  bool any_failed_ = false;
  uint32_t trials_ = 0;
  uint32_t failures_of_rate_ = 0;
};

}  // namespace guideway

#endif  // GUIDEWAY_PERF_GENERATOR_RATE_SEARCH_H_
