// What is wrong with a configuration: one entry per field, with its place in the file.
//
// A field's path is written as in "pools[0].backends[2].weight". Lines and columns count from 1; 0
// means that the place is not known (a configuration that did not come from a file).
// Thread safety: none, values.
#ifndef GUIDEWAY_LIB_CONFIG_PROBLEMS_H_
#define GUIDEWAY_LIB_CONFIG_PROBLEMS_H_

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"

namespace guideway {

struct Place {
  int line = 0;
  int column = 0;
};

// Where each field stands in the file, by path. Filled by the reader.
using Places = absl::flat_hash_map<std::string, Place>;

struct Problem {
  std::string path;     // empty: the file as a whole
  std::string message;  // what is wrong; what is allowed
  Place place;
};

class Problems {
 public:
  static constexpr size_t kMaxShown = 20;

  // `places` is borrowed and may be null; it is used for problems without a place of their own: the
  // place of the field, or of the nearest one around it.
  explicit Problems(const Places* places = nullptr) : places_(places) {}

  // A second problem of the same field is not kept: the first is the cause.
  void Add(const std::string& path, const std::string& message, Place place = {});
  bool empty() const { return problems_.empty(); }
  const std::vector<Problem>& list() const { return problems_; }

  // OK if there are none; else INVALID_ARGUMENT with one line per problem, in file order:
  // "FILE:LINE:COLUMN: path: message", or "path: message" if `source` is empty.
  absl::Status ToStatus(const std::string& source) const;

 private:
  Place FindPlace(std::string path) const;

  const Places* places_;
  std::vector<Problem> problems_;
  absl::flat_hash_map<std::string, size_t> by_path_;
};

}  // namespace guideway

#endif  // GUIDEWAY_LIB_CONFIG_PROBLEMS_H_
