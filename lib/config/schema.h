// Questions about the configuration's schema (guideway.proto), answered from its descriptors:
// rules, spelling of enum values, what a field allows in words. Stateless; any thread.
#ifndef GUIDEWAY_LIB_CONFIG_SCHEMA_H_
#define GUIDEWAY_LIB_CONFIG_SCHEMA_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "lib/config/guideway.pb.h"

namespace guideway {

const v1::Rule& RuleOf(const google::protobuf::FieldDescriptor& field);
bool IsDuration(const google::protobuf::FieldDescriptor& field);

// How an enum value is spelled in YAML, JSON and on the command line: "tcp", "ipip", "drained".
std::string EnumName(const google::protobuf::EnumValueDescriptor& value);
template <typename E>
std::string EnumName(E value) {
  const auto* descriptor = google::protobuf::GetEnumDescriptor<E>()->FindValueByNumber(value);
  return descriptor == nullptr ? "?" : EnumName(*descriptor);
}
// All spellings of an enum, in the order of the schema, without the unspecified value.
std::vector<std::string> EnumNames(const google::protobuf::EnumDescriptor& type);
// Null if no value is spelled so.
const google::protobuf::EnumValueDescriptor* FindEnumValue(
    const google::protobuf::EnumDescriptor& type, const std::string& name);
template <typename E>
absl::StatusOr<E> ParseEnum(const std::string& name) {
  const auto* value = FindEnumValue(*google::protobuf::GetEnumDescriptor<E>(), name);
  if (value == nullptr) return absl::InvalidArgumentError("unknown value " + name);
  return static_cast<E>(value->number());
}

// "500ms", "5s", "1h30m", or "0"; refuses what is negative, infinite or above 10 years.
absl::StatusOr<absl::Duration> ParseDuration(const std::string& text);
google::protobuf::Duration ToProto(absl::Duration duration);
absl::Duration FromProto(const google::protobuf::Duration& duration);

// What a field takes, in words: "a whole number from 1 to 65535", "one of tcp, udp".
std::string AllowedText(const google::protobuf::FieldDescriptor& field);

// The one of `candidates` that `name` is a likely misspelling of, or "".
std::string NearestName(const std::string& name, const std::vector<std::string>& candidates);

// Checks of one value, or entry of a list, against its field's rule; the message says what is wrong
// and what is allowed.
absl::Status CheckText(const google::protobuf::FieldDescriptor& field, const std::string& value);
absl::Status CheckNumber(const google::protobuf::FieldDescriptor& field, int64_t value);
absl::Status CheckDuration(const google::protobuf::FieldDescriptor& field, absl::Duration value);

}  // namespace guideway

#endif  // GUIDEWAY_LIB_CONFIG_SCHEMA_H_
