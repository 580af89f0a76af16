// A JSON value for the CLI's machine-readable output. Members keep their order.
#ifndef GUIDEWAY_CONTROLPLANE_CLI_JSON_H_
#define GUIDEWAY_CONTROLPLANE_CLI_JSON_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "google/protobuf/message.h"

namespace guideway::cli {

class Json {
 public:
  static Json Object() { return Json(Kind::kObject, ""); }
  static Json List() { return Json(Kind::kList, ""); }
  static Json Text(const std::string& text);
  static Json Number(uint64_t value);
  static Json Fraction(double value);  // finite
  static Json Null() { return Json(Kind::kRaw, "null"); }
  static Json Bool(bool value) { return Json(Kind::kRaw, value ? "true" : "false"); }
  // Every field under its name in the schema, absent ones too; enum values and durations as in
  // YAML.
  static Json FromMessage(const google::protobuf::Message& message);

  // Objects only; returns *this.
  Json& Set(const std::string& name, Json value);
  Json& Set(const std::string& name, const std::string& text) { return Set(name, Text(text)); }
  // Lists only; returns *this.
  Json& Append(Json value);

  // Two spaces an indent, a newline at the end.
  std::string ToString() const;

 private:
  enum class Kind { kRaw, kObject, kList };
  Json(Kind kind, std::string raw) : kind_(kind), raw_(std::move(raw)) {}
  void Print(const std::string& indent, std::string* out) const;

  Kind kind_;
  std::string raw_;  // kRaw: as printed
  std::vector<std::pair<std::string, Json>> members_;
};

}  // namespace guideway::cli

#endif  // GUIDEWAY_CONTROLPLANE_CLI_JSON_H_
