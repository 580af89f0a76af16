// The text formats that rules in guideway.proto name ("name", "ip", "mac", ...). Stateless.
#ifndef GUIDEWAY_LIB_CONFIG_FORMATS_H_
#define GUIDEWAY_LIB_CONFIG_FORMATS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace guideway {

// `format` must be one that guideway.proto uses; checked when the program starts to use it.
bool MatchesFormat(const std::string& format, const std::string& text);
// What a format takes, in words, to follow "must be".
std::string FormatText(const std::string& format);

// The format "time": RFC 3339, with fractions of a second and any zone.
absl::StatusOr<absl::Time> ParseTime(const std::string& text);
// In UTC: "2026-11-21T13:30:00Z".
std::string TimeText(absl::Time time);
// The bytes that a text of format "probe-bytes" stands for.
absl::StatusOr<std::string> ParseProbeBytes(const std::string& text);

// No control characters, and well-formed UTF-8.
bool IsPrintableUtf8(const std::string& text);
// `text` in double quotes for a message: cut after 60 bytes, control characters made visible.
std::string Quote(const std::string& text);

}  // namespace guideway

#endif  // GUIDEWAY_LIB_CONFIG_FORMATS_H_
