// See validate_rules.h.
#include "lib/config/validate_rules.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "lib/config/fields.h"
#include "lib/config/schema.h"

namespace guideway {

namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// A present, singular value that is not a group.
absl::Status CheckValue(const Message& message, const FieldDescriptor& field) {
  const auto* reflection = message.GetReflection();
  if (IsDuration(field)) {
    google::protobuf::Duration duration;
    duration.CopyFrom(reflection->GetMessage(message, &field));
    // Also outside the range that a Duration message may have: it may come from another program.
    if (duration.nanos() < 0 || duration.nanos() > 999'999'999 || duration.seconds() < 0) {
      return absl::InvalidArgumentError(absl::StrCat("is not valid; must be ", AllowedText(field)));
    }
    return CheckDuration(field, FromProto(duration));
  }
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return CheckText(field, reflection->GetString(message, &field));
    case FieldDescriptor::CPPTYPE_UINT32:
      return CheckNumber(field, reflection->GetUInt32(message, &field));
    case FieldDescriptor::CPPTYPE_ENUM:
      if (field.enum_type()->FindValueByNumber(reflection->GetEnumValue(message, &field)) ==
          nullptr) {
        return absl::InvalidArgumentError(absl::StrCat(reflection->GetEnumValue(message, &field),
                                                       " is not allowed; must be ",
                                                       AllowedText(field)));
      }
      return absl::OkStatus();
    default:
      return absl::OkStatus();
  }
}

// Whether the field has a value to check; reports one that is missing or has no meaning here.
bool CheckPresence(const Message& message, const FieldDescriptor& field, const std::string& path,
                   Problems* problems) {
  const bool present = field.is_repeated() ? message.GetReflection()->FieldSize(message, &field) > 0
                                           : IsPresent(message, field);
  if (!present) {
    if (RuleOf(field).required() && Applies(message, field)) {
      problems->Add(path, absl::StrCat("is missing; must be ", AllowedText(field)));
    }
    return false;
  }
  if (!Applies(message, field)) {
    const Condition condition = ConditionOf(field);
    const FieldDescriptor* selector = field.containing_type()->FindFieldByName(condition.field);
    // Missing or wrong itself, which is reported: what it would allow is not known.
    if (selector != nullptr && RuleOf(*selector).required() && !IsPresent(message, *selector))
      return false;
    problems->Add(path, absl::StrCat("has a meaning only if ", condition.field, " is ",
                                     absl::StrReplaceAll(condition.value, {{"|", " or "}}),
                                     "; leave it out"));
    return false;
  }
  return true;
}

void ValidateSingular(const Message& message, const FieldDescriptor& field, const std::string& path,
                      Problems* problems) {
  if (!CheckPresence(message, field, path, problems)) return;
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !IsDuration(field)) {
    ValidateRules(message.GetReflection()->GetMessage(message, &field), path, problems);
    return;
  }
  const absl::Status status = CheckValue(message, field);
  if (!status.ok()) problems->Add(path, std::string(status.message()));
}

void ValidateList(const Message& message, const FieldDescriptor& field, const std::string& path,
                  Problems* problems) {
  if (!CheckPresence(message, field, path, problems)) return;
  const auto* reflection = message.GetReflection();
  const int size = reflection->FieldSize(message, &field);
  const v1::Rule& rule = RuleOf(field);
  if (size > rule.max() && rule.has_max()) {
    problems->Add(path,
                  absl::StrCat("has ", size, " entries; at most ", rule.max(), " are allowed"));
    return;
  }
  for (int k = 0; k < size; ++k) {
    const std::string entry_path = absl::StrCat(path, "[", k, "]");
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      ValidateRules(reflection->GetRepeatedMessage(message, &field, k), entry_path, problems);
      continue;
    }
    const absl::Status status = CheckText(field, reflection->GetRepeatedString(message, &field, k));
    if (!status.ok()) problems->Add(entry_path, std::string(status.message()));
  }
}

}  // namespace

void ValidateRules(const Message& message, const std::string& path, Problems* problems) {
  const auto* descriptor = message.GetDescriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor& field = *descriptor->field(i);
    const std::string field_path = absl::StrCat(path, path.empty() ? "" : ".", field.name());
    if (field.is_repeated()) {
      ValidateList(message, field, field_path, problems);
    } else {
      ValidateSingular(message, field, field_path, problems);
    }
  }
}

}  // namespace guideway
