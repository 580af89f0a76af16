#include "lib/hash/maglev_turns.h"

#include <algorithm>
#include <numeric>

namespace guideway {
namespace {

constexpr uint32_t kWindowTurns = 4096;  // about; at least one of each backend on average
constexpr int kClassBits = 16;

}  // namespace

MaglevTurns::MaglevTurns(absl::Span<const uint32_t> weights, uint32_t turns)
    : ranks_(weights.size()) {
  std::iota(ranks_.begin(), ranks_.end(), 0);
  std::stable_sort(ranks_.begin(), ranks_.end(),
                   [&](uint32_t a, uint32_t b) { return weights[a] > weights[b]; });
  uint64_t weight_sum = 0;
  for (uint32_t i = 0; i < ranks_.size(); ++i) {
    const uint64_t weight = weights[ranks_[i]];
    weight_sum += weight;
    if (classes_.empty() || classes_.back().weight != weight) {
      constexpr uint64_t kUnit = uint64_t{1} << 32;
      classes_.push_back({.weight = weight,
                          .time = kUnit / weight,
                          .rest = kUnit % weight,
                          .step = 2 * kUnit / weight,
                          .step_rest = 2 * kUnit % weight,
                          .begin = i,
                          .end = i});
    }
    ++classes_.back().end;
  }
  const uint64_t window_turns = std::max<uint64_t>(std::min(kWindowTurns, turns), weights.size());
  window_ = (window_turns << 33) / weight_sum + 1;
  if (classes_.size() == 1) {  // the turns go round
    while (next_.size() < window_turns) AppendRanks(classes_.front());
  }
}

absl::Span<const uint32_t> MaglevTurns::Next() {
  if (classes_.size() == 1) return next_;
  do {
    CollectWindow();
  } while (window_turns_.empty());
  SortWindow();
  next_.clear();
  for (size_t i = 0, end = 0; i < sorted_.size(); i = end) {
    const uint64_t time = sorted_[i] >> kClassBits;
    const auto rank_begin = static_cast<ptrdiff_t>(next_.size());
    for (; end < sorted_.size() && sorted_[end] >> kClassBits == time; ++end) {
      AppendRanks(classes_[sorted_[end] & ((1u << kClassBits) - 1)]);
    }
    if (end - i > 1) std::sort(next_.begin() + rank_begin, next_.end());
  }
  return next_;
}

void MaglevTurns::CollectWindow() {
  window_turns_.clear();
  const uint64_t window_end = window_begin_ + window_;
  for (uint64_t position = 0; position < classes_.size(); ++position) {
    WeightClass& turn = classes_[position];
    while (turn.time < window_end) {
      window_turns_.push_back((turn.time - window_begin_) << kClassBits | position);
      turn.time += turn.step;
      turn.rest += turn.step_rest;
      if (turn.rest >= turn.weight) {
        turn.rest -= turn.weight;
        ++turn.time;
      }
    }
  }
  window_begin_ = window_end;
}

// Spreads the turns over about as many buckets of equal time spans, which leaves next to nothing
// to sort within a bucket.
void MaglevTurns::SortWindow() {
  const uint64_t highest = window_ << kClassBits;
  int shift = 0;
  while (highest >> shift > window_turns_.size()) ++shift;
  bucket_end_.assign((highest >> shift) + 2, 0);
  for (const uint64_t turn : window_turns_) ++bucket_end_[(turn >> shift) + 1];
  std::partial_sum(bucket_end_.begin(), bucket_end_.end(), bucket_end_.begin());
  sorted_.resize(window_turns_.size());
  for (const uint64_t turn : window_turns_) sorted_[bucket_end_[turn >> shift]++] = turn;
  for (size_t i = 1; i < sorted_.size(); ++i) {  // by insertion: few are out of place, and not far
    const uint64_t turn = sorted_[i];
    size_t place = i;
    for (; place > 0 && sorted_[place - 1] > turn; --place) sorted_[place] = sorted_[place - 1];
    sorted_[place] = turn;
  }
}

void MaglevTurns::AppendRanks(const WeightClass& weight_class) {
  next_.insert(next_.end(), ranks_.begin() + weight_class.begin, ranks_.begin() + weight_class.end);
}

}  // namespace guideway
