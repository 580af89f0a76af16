// Prints docs/configuration.md from the schema's comments and rules.
//
// config_docs DESCRIPTOR_SET: the output of protoc --include_source_info --descriptor_set_out,
// which holds the comments; the rules come from the descriptors linked in.
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "google/protobuf/descriptor.pb.h"
#include "lib/config/schema.h"

namespace guideway {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;

constexpr char kIntroduction[] = R"(# Configuration

<!-- Made from lib/config/guideway.proto by `ninja -C build update_docs`; do not edit. -->

`guideway-controlplane --config FILE` and `guideway apply FILE` take a YAML file of at most 16 MiB
with the fields below; [example.yaml](example.yaml) is one. `guideway check FILE` checks a file
without a daemon and names line, column and field of every problem.

Durations are written with a unit: `500ms`, `5s`, `1h30m`. Whole numbers are written in decimal and
without quotes. YAML anchors, aliases and tags are not supported, a field may be given once, and a
file holds one document.
)";

template <typename D>
std::string Comment(const D& descriptor) {
  google::protobuf::SourceLocation location;
  if (!descriptor.GetSourceLocation(&location)) return "";
  std::string text = location.leading_comments;
  absl::StripAsciiWhitespace(&text);
  return absl::StrReplaceAll(text, {{"\n ", " "}, {"\n", " "}, {"|", "\\|"}});
}

std::string Required(const FieldDescriptor& field) {
  const v1::Rule& rule = RuleOf(field);
  if (rule.required()) return "required";
  if (rule.default_value() == "{}") return "all defaults";
  return rule.default_value().empty() ? "none" : absl::StrCat("`", rule.default_value(), "`");
}

bool IsGroup(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !IsDuration(field);
}

class Page {
 public:
  explicit Page(const DescriptorPool* with_comments) : pool_(with_comments) {}

  // One section for the group, then those of the groups in it.
  void Section(const Descriptor& type, const std::string& heading, const std::string& comment) {
    absl::StrAppend(&text_, "\n## ", heading, "\n\n");
    if (!comment.empty()) absl::StrAppend(&text_, comment, "\n\n");
    absl::StrAppend(&text_, "| field | meaning | value | default |\n|---|---|---|---|\n");
    for (int i = 0; i < type.field_count(); ++i) Row(*type.field(i));
    for (int i = 0; i < type.field_count(); ++i) EnumList(*type.field(i));
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      if (!IsGroup(field)) continue;
      const std::string below = heading == "Top level" ? "" : heading + ".";
      Section(*field.message_type(), below + field.name() + (field.is_repeated() ? "[]" : ""),
              Comment(*pool_->FindFieldByName(field.full_name())));
    }
  }

  const std::string& text() const { return text_; }

 private:
  void Row(const FieldDescriptor& field) {
    const v1::Rule& rule = RuleOf(field);
    std::string meaning = Comment(*pool_->FindFieldByName(field.full_name()));
    if (!rule.only_with().empty()) {
      absl::StrAppend(&meaning, " Only with `", rule.only_with(), "`.");
    }
    absl::StrAppend(&text_, "| `", field.name(), "` | ", meaning, " | ", AllowedText(field), " | ",
                    Required(field), " |\n");
  }

  void EnumList(const FieldDescriptor& field) {
    if (field.cpp_type() != FieldDescriptor::CPPTYPE_ENUM) return;
    std::string lines;
    bool any_comment = false;
    const EnumDescriptor& type = *field.enum_type();
    for (int i = 0; i < type.value_count(); ++i) {
      const auto& value = *type.value(i);
      if (value.number() == 0) continue;
      // Enum values are siblings of their type.
      const std::string comment =
          Comment(*pool_->FindEnumTypeByName(type.full_name())->FindValueByName(value.name()));
      any_comment = any_comment || !comment.empty();
      absl::StrAppend(&lines, "- `", EnumName(value), "`", comment.empty() ? "" : ": ", comment,
                      "\n");
    }
    if (any_comment) absl::StrAppend(&text_, "\nValues of `", field.name(), "`:\n\n", lines);
  }

  const DescriptorPool* pool_;
  std::string text_ = kIntroduction;
};

int Main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: config_docs DESCRIPTOR_SET\n";
    return 2;
  }
  std::ifstream file(argv[1], std::ios::binary);
  google::protobuf::FileDescriptorSet set;
  if (!set.ParseFromIstream(&file)) {
    std::cerr << argv[1] << ": is not a descriptor set\n";
    return 1;
  }
  DescriptorPool pool;
  for (const auto& proto : set.file()) {
    if (pool.BuildFile(proto) == nullptr) return 1;
  }
  Page page(&pool);
  page.Section(*v1::Config::descriptor(), "Top level", "");
  std::cout << page.text();
  return 0;
}

}  // namespace
}  // namespace guideway

int main(int argc, char** argv) { return guideway::Main(argc, argv); }
