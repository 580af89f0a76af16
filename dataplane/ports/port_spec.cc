#include "dataplane/ports/port_spec.h"

#include <cctype>
#include <regex>

#include "lib/base/status.h"

namespace guideway {
namespace {

constexpr size_t kMaxInterfaceName = 15;  // IFNAMSIZ - 1
constexpr size_t kMaxPortName = 63;

absl::Status Bad(const std::string& text, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat("--port=", text, ": ", why));
}

bool IsPciAddress(const std::string& text) {
  static const std::regex* const kPattern =
      new std::regex("([0-9a-fA-F]{4}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\\.[0-7]");
  return std::regex_match(text, *kPattern);
}

bool IsInterfaceName(const std::string& text) {
  if (text.empty() || text.size() > kMaxInterfaceName || text == "." || text == "..") return false;
  for (const char c : text) {
    if (std::isspace(static_cast<unsigned char>(c)) != 0 || c == '/' || c == ':' || c == ',') {
      return false;
    }
  }
  return true;
}

}  // namespace

absl::StatusOr<PortSpec> ParsePortSpec(const std::string& text) {
  PortSpec spec;
  if (text.empty()) return Bad(text, "is empty");
  if (text.rfind("vdev:", 0) == 0) {
    spec.kind = PortKind::kVdev;
    spec.device = text.substr(5);
    spec.name = spec.device.substr(0, spec.device.find(','));
    if (spec.name.empty()) return Bad(text, "no device after vdev:");
    if (spec.name.size() > kMaxPortName)
      return Bad(text, "device name is longer than 63 characters");
    return spec;
  }
  if (IsPciAddress(text)) {
    spec.kind = PortKind::kPci;
    spec.name = text;
    spec.device = text;
    return spec;
  }
  if (!IsInterfaceName(text)) {
    return Bad(text, "neither a network interface, a PCI address (0000:3b:00.0) nor vdev:...");
  }
  spec.name = text;
  return spec;
}

}  // namespace guideway
