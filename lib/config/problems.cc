// See problems.h.
#include "lib/config/problems.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"

namespace guideway {

void Problems::Add(const std::string& path, const std::string& message, Place place) {
  if (!by_path_.emplace(path, problems_.size()).second) return;
  if (place.line == 0) place = FindPlace(path);
  problems_.push_back({path, message, place});
}

Place Problems::FindPlace(std::string path) const {
  if (places_ == nullptr) return {};
  for (;;) {
    if (auto it = places_->find(path); it != places_->end()) return it->second;
    const size_t cut = path.find_last_of(".[");
    if (cut == std::string::npos) return {1, 1};
    path.resize(cut);
  }
}

absl::Status Problems::ToStatus(const std::string& source) const {
  if (problems_.empty()) return absl::OkStatus();
  std::vector<Problem> sorted = problems_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Problem& a, const Problem& b) {
    return std::tie(a.place.line, a.place.column) < std::tie(b.place.line, b.place.column);
  });
  std::string text;
  for (size_t i = 0; i < sorted.size() && i < kMaxShown; ++i) {
    const Problem& problem = sorted[i];
    if (i > 0) text += "\n";
    if (!source.empty()) {
      absl::StrAppend(&text, source, ":", std::max(1, problem.place.line), ":",
                      std::max(1, problem.place.column), ": ");
    }
    if (!problem.path.empty()) absl::StrAppend(&text, problem.path, ": ");
    text += problem.message;
  }
  if (sorted.size() > kMaxShown) {
    absl::StrAppend(&text, "\nand ", sorted.size() - kMaxShown, " more problems");
  }
  return absl::InvalidArgumentError(text);
}

}  // namespace guideway
