// See validate_rules.h.
#include "lib/config/validate_rules.h"

#include "absl/strings/str_cat.h"
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

void ValidateSingular(const Message& message, const FieldDescriptor& field, const std::string& path,
                      Problems* problems) {
  if (!IsPresent(message, field)) {
    if (RuleOf(field).required() && Applies(message, field)) {
      problems->Add(path, absl::StrCat("is missing; must be ", AllowedText(field)));
    }
    return;
  }
  if (!Applies(message, field)) {
    const Condition condition = ConditionOf(field);
    problems->Add(path, absl::StrCat("has a meaning only if ", condition.field, " is ",
                                     condition.value, "; leave it out"));
    return;
  }
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !IsDuration(field)) {
    ValidateRules(message.GetReflection()->GetMessage(message, &field), path, problems);
    return;
  }
  const absl::Status status = CheckValue(message, field);
  if (!status.ok()) problems->Add(path, std::string(status.message()));
}

}  // namespace

void ValidateRules(const Message& message, const std::string& path, Problems* problems) {
  const auto* descriptor = message.GetDescriptor();
  const auto* reflection = message.GetReflection();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor& field = *descriptor->field(i);
    const std::string field_path = absl::StrCat(path, path.empty() ? "" : ".", field.name());
    if (!field.is_repeated()) {
      ValidateSingular(message, field, field_path, problems);
      continue;
    }
    const int size = reflection->FieldSize(message, &field);
    const v1::Rule& rule = RuleOf(field);
    if (size > rule.max() && rule.has_max()) {
      problems->Add(field_path,
                    absl::StrCat("has ", size, " entries; at most ", rule.max(), " are allowed"));
      continue;
    }
    for (int k = 0; k < size; ++k) {
      ValidateRules(reflection->GetRepeatedMessage(message, &field, k),
                    absl::StrCat(field_path, "[", k, "]"), problems);
    }
  }
}

}  // namespace guideway
