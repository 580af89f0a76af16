// Aligned columns for people, and the words for values in them. Stateless functions and a value.
#ifndef GUIDEWAY_CONTROLPLANE_CLI_TABLE_H_
#define GUIDEWAY_CONTROLPLANE_CLI_TABLE_H_

#include <cstdint>
#include <string>
#include <vector>

namespace guideway::cli {

class Table {
 public:
  // A heading that starts with '>' makes its column right-aligned.
  explicit Table(std::vector<std::string> headings);
  // As many cells as there are headings; an empty one is shown as "-".
  void Add(std::vector<std::string> cells);
  // Headings in capitals, two spaces between columns, no trailing space.
  std::string ToString() const;

 private:
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;
};

// Names on the left, values aligned on the right: "name:      web".
std::string KeyValues(const std::vector<std::pair<std::string, std::string>>& pairs);
// "3s", "2m10s", "5h3m", "12d4h".
std::string AgeText(uint64_t milliseconds);
// "1 pool", "2 pools".
std::string CountText(int count, const std::string& what);
// "33.3%"
std::string PercentText(double fraction);

}  // namespace guideway::cli

#endif  // GUIDEWAY_CONTROLPLANE_CLI_TABLE_H_
