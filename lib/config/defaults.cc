// See defaults.h.
#include "lib/config/defaults.h"

#include <glog/logging.h>

#include <algorithm>

#include "absl/strings/numbers.h"
#include "lib/config/fields.h"
#include "lib/config/schema.h"

namespace guideway {

namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// The value of the field that a duration must not exceed. The schema has it before that duration,
// so its own default is filled in already.
absl::Duration UpperBound(const FieldDescriptor& field, const Message& message) {
  const std::string& name = RuleOf(field).at_most_field();
  if (name.empty()) return absl::InfiniteDuration();
  const FieldDescriptor* bound = field.containing_type()->FindFieldByName(name);
  CHECK(bound != nullptr && IsDuration(*bound)) << field.full_name();
  google::protobuf::Duration value;
  value.CopyFrom(message.GetReflection()->GetMessage(message, bound));
  return FromProto(value);
}

void SetDefault(const FieldDescriptor& field, const std::string& text, Message* message) {
  const auto* reflection = message->GetReflection();
  if (text == "{}") {
    reflection->MutableMessage(message, &field);
  } else if (IsDuration(field)) {
    const auto duration = ParseDuration(text);
    CHECK(duration.ok()) << field.full_name();
    reflection->MutableMessage(message, &field)
        ->CopyFrom(ToProto(std::min(*duration, UpperBound(field, *message))));
  } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
    const auto* value = FindEnumValue(*field.enum_type(), text);
    CHECK(value != nullptr) << field.full_name();
    reflection->SetEnum(message, &field, value);
  } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
    reflection->SetString(message, &field, text);
  } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL) {
    reflection->SetBool(message, &field, text == "true");
  } else {
    uint32_t value = 0;
    CHECK(absl::SimpleAtoi(text, &value)) << field.full_name();
    reflection->SetUInt32(message, &field, value);
  }
}

}  // namespace

void FillDefaults(Message* message) {
  const auto* descriptor = message->GetDescriptor();
  const auto* reflection = message->GetReflection();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor& field = *descriptor->field(i);
    const v1::Rule& rule = RuleOf(field);
    if (!field.is_repeated() && !rule.default_value().empty() && !IsPresent(*message, field) &&
        Applies(*message, field)) {
      SetDefault(field, rule.default_value(), message);
    }
    if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || IsDuration(field)) continue;
    if (field.is_repeated()) {
      for (int k = 0; k < reflection->FieldSize(*message, &field); ++k) {
        FillDefaults(reflection->MutableRepeatedMessage(message, &field, k));
      }
    } else if (reflection->HasField(*message, &field)) {
      FillDefaults(reflection->MutableMessage(message, &field));
    }
  }
}

}  // namespace guideway
