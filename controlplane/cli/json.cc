// See json.h.
#include "controlplane/cli/json.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/config/fields.h"
#include "lib/config/schema.h"

namespace guideway::cli {

namespace {

std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppendFormat(&out, "\\u%04x", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

}  // namespace

Json Json::Text(const std::string& text) { return Json(Kind::kRaw, Quoted(text)); }
Json Json::Number(uint64_t value) { return Json(Kind::kRaw, absl::StrCat(value)); }
Json Json::Fraction(double value) { return Json(Kind::kRaw, absl::StrFormat("%.6f", value)); }

Json Json::FromMessage(const google::protobuf::Message& message) {
  using google::protobuf::FieldDescriptor;
  Json json = Object();
  const auto* reflection = message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message.GetDescriptor()->field(i);
    const bool group =
        field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !guideway::IsDuration(field);
    if (field.is_repeated()) {
      Json list = List();
      for (int k = 0; k < reflection->FieldSize(message, &field); ++k) {
        if (group) {
          list.Append(FromMessage(reflection->GetRepeatedMessage(message, &field, k)));
        } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
          list.Append(Text(reflection->GetRepeatedString(message, &field, k)));
        }
      }
      json.Set(field.name(), std::move(list));
    } else if (group) {
      json.Set(field.name(), reflection->HasField(message, &field)
                                 ? FromMessage(reflection->GetMessage(message, &field))
                                 : Json(Kind::kRaw, "null"));
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING ||
               field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM || IsDuration(field)) {
      json.Set(field.name(), ValueText(message, field));
    } else {
      json.Set(field.name(), Json(Kind::kRaw, ValueText(message, field)));
    }
  }
  return json;
}

Json& Json::Set(const std::string& name, Json value) {
  members_.emplace_back(name, std::move(value));
  return *this;
}

Json& Json::Append(Json value) { return Set("", std::move(value)); }

void Json::Print(const std::string& indent, std::string* out) const {
  if (kind_ == Kind::kRaw) {
    *out += raw_;
    return;
  }
  const bool object = kind_ == Kind::kObject;
  *out += object ? "{" : "[";
  const std::string inner = indent + "  ";
  for (size_t i = 0; i < members_.size(); ++i) {
    absl::StrAppend(out, i == 0 ? "\n" : ",\n", inner);
    if (object) absl::StrAppend(out, Quoted(members_[i].first), ": ");
    members_[i].second.Print(inner, out);
  }
  if (!members_.empty()) absl::StrAppend(out, "\n", indent);
  *out += object ? "}" : "]";
}

std::string Json::ToString() const {
  std::string out;
  Print("", &out);
  return out + "\n";
}

}  // namespace guideway::cli
