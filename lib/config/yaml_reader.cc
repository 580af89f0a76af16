// See yaml_reader.h.
#include "lib/config/yaml_reader.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/config/formats.h"
#include "lib/config/schema.h"
#include "lib/config/yaml_tree.h"

namespace guideway {

namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

std::vector<std::string> FieldNames(const google::protobuf::Descriptor& type) {
  std::vector<std::string> names;
  names.reserve(static_cast<size_t>(type.field_count()));
  for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
  return names;
}

// Decimal digits with an optional minus, no leading zero: what is a number in every YAML version.
bool ParseWholeNumber(const std::string& text, int64_t* value) {
  const std::string digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string::npos) return false;
  if (digits.size() > 1 && digits[0] == '0') return false;
  return absl::SimpleAtoi(text, value);
}

// A missing value stands nowhere, so its field's place is used.
Place PlaceOf(const YamlNode& node) {
  return node.kind == YamlNode::Kind::kNull ? Place{} : node.place;
}

class Reader {
 public:
  Reader(Places* places, Problems* problems) : places_(places), problems_(problems) {}

  void ReadMessage(const YamlNode& node, const std::string& path, Message* message) {
    if (node.kind != YamlNode::Kind::kMap) {
      const std::string what = node.kind == YamlNode::Kind::kNull
                                   ? "has no value"
                                   : absl::StrCat("is ", node.KindText());
      problems_->Add(path,
                     absl::StrCat(what, "; must be a group of fields: ",
                                  absl::StrJoin(FieldNames(*message->GetDescriptor()), ", ")),
                     PlaceOf(node));
      return;
    }
    absl::flat_hash_set<std::string> seen;
    for (const YamlNode::Entry& entry : node.map) ReadEntry(entry, path, &seen, message);
  }

 private:
  void ReadEntry(const YamlNode::Entry& entry, const std::string& path,
                 absl::flat_hash_set<std::string>* seen, Message* message) {
    const FieldDescriptor* field = message->GetDescriptor()->FindFieldByName(entry.key);
    const std::string field_path = absl::StrCat(
        path, path.empty() ? "" : ".", field == nullptr ? entry.key.substr(0, 64) : field->name());
    if (field == nullptr) {
      const auto names = FieldNames(*message->GetDescriptor());
      const std::string nearest = NearestName(entry.key, names);
      problems_->Add(IsPrintableUtf8(field_path) ? field_path : path,
                     absl::StrCat("unknown field ", Quote(entry.key),
                                  nearest.empty() ? "" : ", did you mean " + nearest + "?",
                                  " allowed here: ", absl::StrJoin(names, ", ")),
                     entry.place);
      return;
    }
    if (!seen->insert(entry.key).second) {
      const Place first = (*places_)[field_path];
      problems_->Add(
          field_path,
          absl::StrCat("is given twice, first in line ", first.line, "; a field may be given once"),
          entry.place);
      return;
    }
    (*places_)[field_path] = entry.place;
    if (field->is_repeated()) {
      ReadList(entry.value, field_path, *field, message);
    } else {
      ReadValue(entry.value, field_path, *field, message);
    }
  }

  void ReadList(const YamlNode& node, const std::string& path, const FieldDescriptor& field,
                Message* message) {
    if (node.kind == YamlNode::Kind::kNull) return;  // "pools:" with all entries commented out
    if (node.kind != YamlNode::Kind::kList) {
      Mismatch(node, path, field);
      return;
    }
    const v1::Rule& rule = RuleOf(field);
    if (rule.has_max() && static_cast<int64_t>(node.list.size()) > rule.max()) {
      problems_->Add(path, absl::StrCat("has ", node.list.size(), " entries; at most ", rule.max(),
                                        " are allowed"));
      return;
    }
    for (size_t i = 0; i < node.list.size(); ++i) {
      const std::string entry_path = absl::StrCat(path, "[", i, "]");
      (*places_)[entry_path] = node.list[i].place;
      if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        ReadMessage(node.list[i], entry_path,
                    message->GetReflection()->AddMessage(message, &field));
      } else {  // the schema's other lists are of strings
        ReadListedText(node.list[i], entry_path, field, message);
      }
    }
  }

  void ReadListedText(const YamlNode& node, const std::string& path, const FieldDescriptor& field,
                      Message* message) {
    if (node.kind != YamlNode::Kind::kScalar) {
      problems_->Add(
          path,
          absl::StrCat(node.kind == YamlNode::Kind::kNull ? "has no value"
                                                          : absl::StrCat("is ", node.KindText()),
                       "; must be ", FormatText(RuleOf(field).format())),
          PlaceOf(node));
      return;
    }
    Note(path, CheckText(field, node.scalar), node.place);
    // A message must hold valid UTF-8.
    if (IsPrintableUtf8(node.scalar)) {
      message->GetReflection()->AddString(message, &field, node.scalar);
    }
  }

  void ReadValue(const YamlNode& node, const std::string& path, const FieldDescriptor& field,
                 Message* message) {
    const auto* reflection = message->GetReflection();
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !IsDuration(field)) {
      ReadMessage(node, path, reflection->MutableMessage(message, &field));
      return;
    }
    if (node.kind != YamlNode::Kind::kScalar) {
      Mismatch(node, path, field);
      return;
    }
    if (IsDuration(field)) {
      ReadDuration(node, path, field, message);
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      const absl::Status status = CheckText(field, node.scalar);
      if (!status.ok()) Note(path, status, node.place);
      // Also when wrong, so that what refers to it is found; but a message must hold valid UTF-8.
      if (IsPrintableUtf8(node.scalar)) reflection->SetString(message, &field, node.scalar);
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
      ReadEnum(node, path, field, message);
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL) {
      if (node.quoted || (node.scalar != "true" && node.scalar != "false")) {
        Mismatch(node, path, field);
        return;
      }
      reflection->SetBool(message, &field, node.scalar == "true");
    } else {
      ReadNumber(node, path, field, message);
    }
  }

  void ReadDuration(const YamlNode& node, const std::string& path, const FieldDescriptor& field,
                    Message* message) {
    const auto duration = ParseDuration(node.scalar);
    if (!duration.ok()) {
      Mismatch(node, path, field);
      return;
    }
    Note(path, CheckDuration(field, *duration), node.place);
    message->GetReflection()->MutableMessage(message, &field)->CopyFrom(ToProto(*duration));
  }

  void ReadEnum(const YamlNode& node, const std::string& path, const FieldDescriptor& field,
                Message* message) {
    const auto* value = FindEnumValue(*field.enum_type(), node.scalar);
    if (value == nullptr) {
      Mismatch(node, path, field);
      return;
    }
    message->GetReflection()->SetEnum(message, &field, value);
  }

  void ReadNumber(const YamlNode& node, const std::string& path, const FieldDescriptor& field,
                  Message* message) {
    int64_t value = 0;
    if (node.quoted || !ParseWholeNumber(node.scalar, &value)) {
      Mismatch(node, path, field);
      return;
    }
    const absl::Status status = CheckNumber(field, value);
    if (!status.ok()) {
      Note(path, status, node.place);
      return;
    }
    // The schema's numbers are all uint32, and every one has a rule with limits below 2^32.
    message->GetReflection()->SetUInt32(message, &field, static_cast<uint32_t>(value));
  }

  void Mismatch(const YamlNode& node, const std::string& path, const FieldDescriptor& field) {
    std::string what;
    if (node.kind == YamlNode::Kind::kNull) {
      what = "has no value";
    } else if (node.kind != YamlNode::Kind::kScalar) {
      what = absl::StrCat("is ", node.KindText());
    } else {
      what = absl::StrCat(Quote(node.scalar), node.quoted ? " is quoted text" : " is not allowed");
      if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM || IsDuration(field)) {
        what = absl::StrCat(Quote(node.scalar), " is not allowed");
      }
    }
    problems_->Add(path, absl::StrCat(what, "; must be ", AllowedText(field)), PlaceOf(node));
  }

  void Note(const std::string& path, const absl::Status& status, Place place) {
    if (!status.ok()) problems_->Add(path, std::string(status.message()), place);
  }

  Places* places_;
  Problems* problems_;
};

}  // namespace

void ReadYaml(const std::string& text, Message* message, Places* places, Problems* problems) {
  const YamlNode root = ParseYamlTree(text, problems);
  if (!problems->empty()) return;
  Reader(places, problems).ReadMessage(root, "", message);
}

}  // namespace guideway
