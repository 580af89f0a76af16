// See table.h.
#include "controlplane/cli/table.h"

#include <glog/logging.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace guideway::cli {

Table::Table(std::vector<std::string> headings) {
  for (std::string& heading : headings) {
    right_.push_back(heading[0] == '>');
    heading = absl::AsciiStrToUpper(heading.substr(right_.back() ? 1 : 0));
  }
  rows_.push_back(std::move(headings));
}

void Table::Add(std::vector<std::string> cells) {
  CHECK_EQ(cells.size(), right_.size());
  for (std::string& cell : cells) {
    if (cell.empty()) cell.push_back('-');
  }
  rows_.push_back(std::move(cells));
}

std::string Table::ToString() const {
  std::vector<size_t> widths(right_.size());
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - row[i].size(), ' ');
      absl::StrAppend(&line, i == 0 ? "" : "  ", right_[i] ? padding : "", row[i],
                      right_[i] ? "" : padding);
    }
    absl::StripTrailingAsciiWhitespace(&line);
    absl::StrAppend(&out, line, "\n");
  }
  return out;
}

std::string KeyValues(const std::vector<std::pair<std::string, std::string>>& pairs) {
  size_t width = 0;
  for (const auto& pair : pairs) width = std::max(width, pair.first.size());
  std::string out;
  for (const auto& [key, value] : pairs) {
    absl::StrAppend(&out, key, ":", std::string(width - key.size() + 2, ' '),
                    value.empty() ? "-" : value, "\n");
  }
  return out;
}

std::string AgeText(uint64_t milliseconds) {
  const uint64_t seconds = milliseconds / 1000;
  if (seconds < 60) return absl::StrCat(seconds, "s");
  if (seconds < 3600) return absl::StrCat(seconds / 60, "m", seconds % 60, "s");
  if (seconds < 86400) return absl::StrCat(seconds / 3600, "h", seconds / 60 % 60, "m");
  return absl::StrCat(seconds / 86400, "d", seconds / 3600 % 24, "h");
}

std::string CountText(int count, const std::string& what) {
  return absl::StrCat(count, " ", what, count == 1 ? "" : "s");
}

std::string PercentText(double fraction) { return absl::StrFormat("%.1f%%", 100 * fraction); }

}  // namespace guideway::cli
