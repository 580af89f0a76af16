// See printer.h.
#include "lib/config/printer.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "lib/config/fields.h"
#include "lib/config/schema.h"

namespace guideway {

namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Whether a string is safe without quotes in every YAML reader.
bool IsPlain(const std::string& text) {
  if (text.empty() || !absl::ascii_isalpha(static_cast<unsigned char>(text[0]))) return false;
  const std::string lower = absl::AsciiStrToLower(text);
  for (const char* word : {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}) {
    if (lower == word) return false;
  }
  return std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.';
  });
}

std::string Quoted(const std::string& text) {
  if (IsPlain(text)) return text;
  // Strings hold no control characters (validate), so only these two need an escape.
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

std::string Scalar(const Message& message, const FieldDescriptor& field) {
  const std::string text = ValueText(message, field);
  return field.cpp_type() == FieldDescriptor::CPPTYPE_STRING ? Quoted(text) : text;
}

void PrintMessage(const Message& message, const std::string& indent, std::string first_indent,
                  std::string* out);

void PrintField(const Message& message, const FieldDescriptor& field, const std::string& indent,
                const std::string& first_indent, std::string* out) {
  const auto* reflection = message.GetReflection();
  absl::StrAppend(out, first_indent, field.name(), ":");
  if (field.is_repeated()) {
    *out += "\n";
    for (int i = 0; i < reflection->FieldSize(message, &field); ++i) {
      if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
        absl::StrAppend(out, indent, "  - ",
                        Quoted(reflection->GetRepeatedString(message, &field, i)), "\n");
        continue;
      }
      PrintMessage(reflection->GetRepeatedMessage(message, &field, i), indent + "    ",
                   indent + "  - ", out);
    }
  } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !IsDuration(field)) {
    *out += "\n";
    PrintMessage(reflection->GetMessage(message, &field), indent + "  ", indent + "  ", out);
  } else {
    absl::StrAppend(out, " ", Scalar(message, field), "\n");
  }
}

void PrintMessage(const Message& message, const std::string& indent, std::string first_indent,
                  std::string* out) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  if (fields.empty()) {
    // "name:" alone would be no value at all.
    if (out->ends_with(":\n")) out->pop_back();
    absl::StrAppend(out, out->ends_with(":") ? " " : first_indent, "{}\n");
    return;
  }
  for (const FieldDescriptor* field : fields) {
    PrintField(message, *field, indent, first_indent, out);
    first_indent = indent;
  }
}

}  // namespace

std::string PrintYaml(const Message& message) {
  std::string out;
  PrintMessage(message, "", "", &out);
  return out;
}

}  // namespace guideway
