// See fields.h.
#include "lib/config/fields.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "google/protobuf/reflection.h"
#include "lib/config/schema.h"

namespace guideway {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

bool IsPresent(const Message& message, const FieldDescriptor& field) {
  // HasField means just this for fields without presence, too.
  return message.GetReflection()->HasField(message, &field);
}

Condition ConditionOf(const FieldDescriptor& field) {
  const std::string& text = RuleOf(field).only_with();
  const size_t colon = text.find(": ");
  if (colon == std::string::npos) return {};
  return {.field = text.substr(0, colon), .value = text.substr(colon + 2)};
}

bool Applies(const Message& message, const FieldDescriptor& field) {
  const Condition condition = ConditionOf(field);
  if (condition.field.empty()) return true;
  const FieldDescriptor* selector = field.containing_type()->FindFieldByName(condition.field);
  if (selector == nullptr) return false;
  const std::string value = EnumName(*message.GetReflection()->GetEnum(message, selector));
  const std::vector<std::string> values = absl::StrSplit(condition.value, '|');
  return std::find(values.begin(), values.end(), value) != values.end();
}

std::string ValueText(const Message& message, const FieldDescriptor& field) {
  const auto* reflection = message.GetReflection();
  if (field.is_repeated()) {
    return absl::StrCat(
        "[", absl::StrJoin(reflection->GetRepeatedFieldRef<std::string>(message, &field), ", "),
        "]");
  }
  if (IsDuration(field)) {
    google::protobuf::Duration duration;
    duration.CopyFrom(reflection->GetMessage(message, &field));
    return absl::FormatDuration(FromProto(duration));
  }
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_ENUM: {
      const int number = reflection->GetEnumValue(message, &field);
      const auto* value = field.enum_type()->FindValueByNumber(number);
      return value == nullptr ? absl::StrCat(number) : EnumName(*value);
    }
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection->GetString(message, &field);
    case FieldDescriptor::CPPTYPE_UINT32:
      return absl::StrCat(reflection->GetUInt32(message, &field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(reflection->GetUInt64(message, &field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection->GetBool(message, &field) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return absl::StrCat(reflection->GetDouble(message, &field));
    default:
      return "?";
  }
}

}  // namespace guideway
