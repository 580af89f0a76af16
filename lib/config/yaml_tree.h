// A YAML text as a plain tree with places, or what is wrong with it as YAML.
//
// Stricter than YAML: one document, no anchors, aliases or tags of one's own, no duplicate keys,
// keys are plain scalars, limited depth and size; so a small file can never become a large tree.
// Errors, not exceptions: nothing is thrown. Thread safety: values.
#ifndef GUIDEWAY_LIB_CONFIG_YAML_TREE_H_
#define GUIDEWAY_LIB_CONFIG_YAML_TREE_H_

#include <string>
#include <utility>
#include <vector>

#include "lib/config/problems.h"

namespace guideway {

inline constexpr size_t kMaxYamlBytes = 16 << 20;
inline constexpr int kMaxYamlDepth = 32;
// Several times what the largest configuration has.
inline constexpr size_t kMaxYamlNodes = 1'000'000;

struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  struct Entry;

  Kind kind = Kind::kNull;
  Place place;
  std::string scalar;
  bool quoted = false;  // scalars: stood in quotes, so it is text whatever it looks like
  std::vector<YamlNode> list;
  std::vector<Entry> map;  // in file order

  // "a list", "text" ... for messages.
  const char* KindText() const;
};
struct YamlNode::Entry {
  std::string key;
  Place place;
  YamlNode value;
};

// Problems of the YAML itself are added to `problems`; the tree then holds what was read before.
YamlNode ParseYamlTree(const std::string& text, Problems* problems);

}  // namespace guideway

#endif  // GUIDEWAY_LIB_CONFIG_YAML_TREE_H_
