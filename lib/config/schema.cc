// See schema.h.
#include "lib/config/schema.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/config/formats.h"

namespace guideway {

using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;

const v1::Rule& RuleOf(const FieldDescriptor& field) {
  return field.options().GetExtension(v1::rule);
}

bool IsDuration(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
         field.message_type()->full_name() == "google.protobuf.Duration";
}

std::string EnumName(const EnumValueDescriptor& value) {
  const std::string& given = value.options().GetExtension(v1::yaml_name);
  return given.empty() ? absl::AsciiStrToLower(value.name()) : given;
}

std::vector<std::string> EnumNames(const EnumDescriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.value_count(); ++i) {
    if (type.value(i)->number() != 0) names.push_back(EnumName(*type.value(i)));
  }
  return names;
}

const EnumValueDescriptor* FindEnumValue(const EnumDescriptor& type, const std::string& name) {
  for (int i = 0; i < type.value_count(); ++i) {
    if (type.value(i)->number() != 0 && EnumName(*type.value(i)) == name) return type.value(i);
  }
  return nullptr;
}

absl::StatusOr<absl::Duration> ParseDuration(const std::string& text) {
  absl::Duration duration;
  // absl also takes signs, "inf" and leading space; a duration here starts with a digit.
  if (text.empty() || !absl::ascii_isdigit(static_cast<unsigned char>(text[0])) ||
      !absl::ParseDuration(text, &duration)) {
    return absl::InvalidArgumentError("not a duration");
  }
  if (duration > absl::Hours(24 * 3650)) return absl::OutOfRangeError("above ten years");
  return duration;
}

google::protobuf::Duration ToProto(absl::Duration duration) {
  google::protobuf::Duration proto;
  absl::Duration rest;
  proto.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &rest));
  proto.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
  return proto;
}

absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

namespace {

std::string Range(const v1::Rule& rule, bool duration, const std::string& unit) {
  const auto show = [duration](int64_t value) {
    return duration ? absl::FormatDuration(absl::Milliseconds(value)) : absl::StrCat(value);
  };
  std::string text;
  if (rule.has_min() && rule.has_max()) {
    text = absl::StrCat(" from ", show(rule.min()), " to ", show(rule.max()));
  } else if (rule.has_min()) {
    text = absl::StrCat(" of at least ", show(rule.min()));
  } else if (rule.has_max()) {
    text = absl::StrCat(" of at most ", show(rule.max()));
  }
  return text.empty() ? text : absl::StrCat(text, unit);
}

absl::Status Wrong(const std::string& what, const FieldDescriptor& field) {
  return absl::InvalidArgumentError(absl::StrCat(what, "; must be ", AllowedText(field)));
}

std::string Shown(const FieldDescriptor& field, const std::string& value) {
  if (RuleOf(field).secret()) return "the value";
  return Quote(value);
}

}  // namespace

std::string AllowedText(const FieldDescriptor& field) {
  const v1::Rule& rule = RuleOf(field);
  if (field.is_repeated()) {
    const std::string list = absl::StrCat("a list", Range(rule, false, " entries"));
    return rule.format().empty() ? list : absl::StrCat(list, ", each ", FormatText(rule.format()));
  }
  if (IsDuration(field)) {
    return absl::StrCat("a duration with a unit, such as 500ms or 5s,", Range(rule, true, ""));
  }
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return "a group of fields";
    case FieldDescriptor::CPPTYPE_ENUM:
      return absl::StrCat("one of ", absl::StrJoin(EnumNames(*field.enum_type()), ", "));
    case FieldDescriptor::CPPTYPE_STRING:
      if (!rule.format().empty()) return FormatText(rule.format());
      return absl::StrCat("text", Range(rule, false, " bytes"));
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true or false";
    default:
      return absl::StrCat("a whole number", Range(rule, false, ""));
  }
}

std::string NearestName(const std::string& name, const std::vector<std::string>& candidates) {
  std::string best;
  size_t best_distance = std::max<size_t>(1, name.size() / 3) + 1;
  if (name.size() > 64) return best;
  for (const std::string& candidate : candidates) {
    // Levenshtein distance, one row at a time.
    std::vector<size_t> row(candidate.size() + 1);
    std::iota(row.begin(), row.end(), size_t{0});
    for (size_t i = 1; i <= name.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i;
      for (size_t j = 1; j <= candidate.size(); ++j) {
        const size_t substituted = diagonal + (name[i - 1] == candidate[j - 1] ? 0 : 1);
        diagonal = row[j];
        row[j] = std::min({substituted, row[j] + 1, row[j - 1] + 1});
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

absl::Status CheckText(const FieldDescriptor& field, const std::string& value) {
  const v1::Rule& rule = RuleOf(field);
  if (field.is_repeated()) {  // an entry; the rule's limits are the list's
    if (IsPrintableUtf8(value) && MatchesFormat(rule.format(), value)) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat(IsPrintableUtf8(value) ? Quote(value) : "the value", " is not valid; must be ",
                     FormatText(rule.format())));
  }
  if (!IsPrintableUtf8(value)) {
    return Wrong("holds control characters or is not UTF-8", field);
  }
  const auto length = static_cast<int64_t>(value.size());
  if (rule.has_min() && length < rule.min()) {
    return Wrong(absl::StrCat(Shown(field, value), " is too short (", length, " bytes)"), field);
  }
  if (rule.has_max() && length > rule.max()) {
    return Wrong(absl::StrCat(Shown(field, value), " is too long (", length, " bytes)"), field);
  }
  if (!rule.format().empty() && !MatchesFormat(rule.format(), value)) {
    return Wrong(absl::StrCat(Shown(field, value), " is not valid"), field);
  }
  return absl::OkStatus();
}

absl::Status CheckNumber(const FieldDescriptor& field, int64_t value) {
  const v1::Rule& rule = RuleOf(field);
  if ((rule.has_min() && value < rule.min()) || (rule.has_max() && value > rule.max())) {
    return Wrong(absl::StrCat(value, " is out of range"), field);
  }
  return absl::OkStatus();
}

absl::Status CheckDuration(const FieldDescriptor& field, absl::Duration value) {
  const v1::Rule& rule = RuleOf(field);
  if ((rule.has_min() && value < absl::Milliseconds(rule.min())) ||
      (rule.has_max() && value > absl::Milliseconds(rule.max()))) {
    return Wrong(absl::StrCat(absl::FormatDuration(value), " is out of range"), field);
  }
  return absl::OkStatus();
}

}  // namespace guideway
