// See yaml_tree.h. yaml-cpp does the scanning; its own node tree is not used, because it resolves
// aliases silently and keeps duplicate keys.
#include "lib/config/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <sstream>

#include "absl/strings/str_cat.h"
#include "lib/config/formats.h"

namespace guideway {

namespace {

Place ToPlace(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

// Ends the parse; the problem has been noted.
struct StopParsing {};

// Builds the tree from the parser's events.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(YamlNode* root, Problems* problems) : root_(root), problems_(problems) {}

  void OnDocumentStart(const YAML::Mark& mark) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    NoAnchor(mark, anchor);
    Put(mark, YamlNode::Kind::kNull, "~", false);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    Stop(ToPlace(mark), "aliases are not supported; write the value out");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    NoAnchor(mark, anchor);
    NoTag(mark, tag);
    Put(mark, YamlNode::Kind::kScalar, value, tag == "!");
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, YamlNode::Kind::kList);
  }
  void OnSequenceEnd() override { stack_.pop_back(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(mark, tag, anchor, YamlNode::Kind::kMap);
  }
  void OnMapEnd() override { stack_.pop_back(); }

 private:
  struct Level {
    YamlNode* node;
    bool key_is_next;  // maps: the next scalar is a key
  };

  [[noreturn]] void Stop(Place place, const std::string& message) {
    problems_->Add("", message, place);
    throw StopParsing();
  }
  void NoAnchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0) Stop(ToPlace(mark), "anchors are not supported; write the value out");
  }
  void NoTag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!") {
      Stop(ToPlace(mark), absl::StrCat("tags such as ", Quote(tag), " are not supported"));
    }
  }

  void Open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            YamlNode::Kind kind) {
    NoAnchor(mark, anchor);
    NoTag(mark, tag);
    if (stack_.size() >= kMaxYamlDepth) {
      Stop(ToPlace(mark), absl::StrCat("nested deeper than ", kMaxYamlDepth, " levels"));
    }
    YamlNode* node = Put(mark, kind, "", false);
    stack_.push_back({node, kind == YamlNode::Kind::kMap});
  }

  // A node where the next one belongs. A pointer stays valid while its level is open, because only
  // the innermost open list or map grows.
  YamlNode* Put(const YAML::Mark& mark, YamlNode::Kind kind, const std::string& scalar,
                bool quoted) {
    if (++nodes_ > kMaxYamlNodes) {
      Stop(ToPlace(mark), absl::StrCat("has more than ", kMaxYamlNodes, " values"));
    }
    YamlNode* node = root_;
    if (!stack_.empty()) {
      Level& level = stack_.back();
      if (level.node->kind == YamlNode::Kind::kList) {
        node = &level.node->list.emplace_back();
      } else if (level.key_is_next) {
        if (kind != YamlNode::Kind::kScalar) {
          Stop(ToPlace(mark), "a field's name must be plain text");
        }
        level.node->map.push_back({scalar, ToPlace(mark), YamlNode{}});
        level.key_is_next = false;
        return nullptr;
      } else {
        node = &level.node->map.back().value;
        level.key_is_next = true;
      }
    }
    node->kind = kind;
    node->place = ToPlace(mark);
    node->scalar = scalar;
    node->quoted = quoted;
    return node;
  }

  YamlNode* root_;
  Problems* problems_;
  std::vector<Level> stack_;
  size_t nodes_ = 0;
};

}  // namespace

const char* YamlNode::KindText() const {
  switch (kind) {
    case Kind::kNull:
      return "nothing";
    case Kind::kScalar:
      return quoted ? "quoted text" : "a single value";
    case Kind::kList:
      return "a list";
    case Kind::kMap:
      return "a group of fields";
  }
  return "?";
}

YamlNode ParseYamlTree(const std::string& text, Problems* problems) {
  YamlNode root;
  root.place = {1, 1};
  if (text.size() > kMaxYamlBytes) {
    problems->Add(
        "", absl::StrCat("has ", text.size(), " bytes; at most ", kMaxYamlBytes, " are allowed"),
        {1, 1});
    return root;
  }
  if (text.find('\0') != std::string::npos) {
    problems->Add("", "holds a zero byte; must be text in UTF-8", {1, 1});
    return root;
  }
  TreeBuilder builder(&root, problems);
  // The library reports by exception; none leaves this function.
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) return root;
    YamlNode ignored;
    Problems ignored_problems;
    TreeBuilder second(&ignored, &ignored_problems);
    bool more = false;
    try {
      more = parser.HandleNextDocument(second);
    } catch (const StopParsing&) {
      more = true;
    }
    if (more) {
      problems->Add("", "holds several documents; only one is allowed", ignored.place);
    }
  } catch (const StopParsing&) {
  } catch (const YAML::Exception& error) {
    problems->Add("", absl::StrCat("is not valid YAML: ", error.msg), ToPlace(error.mark));
  } catch (const std::exception& error) {
    problems->Add("", absl::StrCat("is not valid YAML: ", error.what()), {1, 1});
  }
  return root;
}

}  // namespace guideway
