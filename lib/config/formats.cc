// See formats.h.
#include "lib/config/formats.h"

#include <glog/logging.h>

#include <algorithm>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "lib/net/address.h"
#include "lib/net/prefix.h"
#include "lib/net/quic_lb_text.h"

namespace guideway {

namespace {

bool AllOf(const std::string& text, const char* punctuation) {
  return std::all_of(text.begin(), text.end(), [punctuation](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           std::string(punctuation).find(c) != std::string::npos;
  });
}

bool IsName(const std::string& text) {
  return !text.empty() && text.size() <= 63 &&
         absl::ascii_isalnum(static_cast<unsigned char>(text[0])) && AllOf(text, "-_.");
}

bool IsUsableIp(const std::string& text) {
  const auto address = IpAddress::Parse(text);
  if (!address.ok()) return false;
  return !address->IsUnspecified() && !address->IsMulticast() && !address->IsLoopback() &&
         text != "255.255.255.255";
}

// Prefixes from which many addresses are taken.
bool IsSourcePrefix(const std::string& text, IpFamily family, int shortest, int longest) {
  const auto prefix = IpPrefix::Parse(text);
  return prefix.ok() && prefix->address.family() == family && prefix->length_bits >= shortest &&
         prefix->length_bits <= longest && IsUsableIp(prefix->address.ToString()) &&
         !prefix->Contains(*IpAddress::Parse("127.0.0.1")) &&
         !prefix->Contains(*IpAddress::Parse("224.0.0.0"));
}

bool IsIpv4Source(const std::string& text) { return IsSourcePrefix(text, IpFamily::kIpv4, 8, 30); }
bool IsIpv6Source(const std::string& text) {
  return IsSourcePrefix(text, IpFamily::kIpv6, 32, 126);
}

bool IsUsableMac(const std::string& text) {
  const auto mac = MacAddress::Parse(text);
  return mac.ok() && !mac->IsZero() && (mac->bytes[0] & 1) == 0;
}

bool IsHttpPath(const std::string& text) {
  return !text.empty() && text[0] == '/' &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; }) &&
         text.find('#') == std::string::npos;
}

bool IsHost(const std::string& text) { return !text.empty() && AllOf(text, "-._:[]"); }

bool IsTime(const std::string& text) { return ParseTime(text).ok(); }
bool IsServerId(const std::string& text) { return ParseServerId(text).ok(); }
bool IsAes128Key(const std::string& text) { return ParseAes128Key(text).ok(); }

// Texts that are bytes on the wire.
bool IsProbeBytes(const std::string& text) { return !text.empty() && ParseProbeBytes(text).ok(); }
bool IsAbsolutePath(const std::string& text) { return text.size() > 1 && text[0] == '/'; }
// Whether a command's first entry is a path is checked with the whole command.
bool IsArgument(const std::string& text) { return text.size() <= 4096; }
bool IsEnvironment(const std::string& text) {
  const size_t equals = text.find('=');
  return equals != std::string::npos && equals > 0 && text.size() <= 4096 &&
         !absl::ascii_isdigit(static_cast<unsigned char>(text[0])) &&
         AllOf(text.substr(0, equals), "_");
}

struct Format {
  const char* name;
  bool (*matches)(const std::string&);
  const char* text;
};
constexpr Format kFormats[] = {
    {"ipv4-prefix", IsIpv4Source,
     "an IPv4 unicast prefix with a length from 8 to 30, such as 10.255.0.0/16"},
    {"ipv6-prefix", IsIpv6Source,
     "an IPv6 unicast prefix with a length from 32 to 126, such as 2001:db8:1:2::/64"},
    {"name", IsName, "1 to 63 of the characters A-Z a-z 0-9 - _ . with a letter or digit first"},
    {"ip", IsUsableIp,
     "an IPv4 or IPv6 unicast address, such as 192.0.2.1 or 2001:db8::1, and not loopback"},
    {"mac", IsUsableMac, "a unicast Ethernet address such as 02:00:00:00:00:01"},
    {"http-path", IsHttpPath, "a path that starts with / and holds no space and no #"},
    {"server-id", IsServerId, "1 to 15 bytes in hexadecimal, such as 0a1b2c"},
    {"aes128-key", IsAes128Key, "16 bytes in hexadecimal"},
    {"time", IsTime, "a time with its zone, such as 2026-11-21T13:30:00Z"},
    {"probe-bytes", IsProbeBytes, "text, or hex: and an even number of hexadecimal digits"},
    {"absolute-path", IsAbsolutePath, "a path that starts with /"},
    {"argument", IsArgument, "text of at most 4096 bytes"},
    {"environment", IsEnvironment, "NAME=VALUE with a name of letters, digits and _"},
    {"host", IsHost, "a host name or address, with :port if need be, of at most 253 bytes"},
};

const Format& Find(const std::string& name) {
  for (const Format& format : kFormats) {
    if (format.name == name) return format;
  }
  LOG(FATAL) << "guideway.proto uses an unknown format: " << name;
  return kFormats[0];
}

// Length of the UTF-8 sequence that starts with `lead`; 0 if none does.
size_t SequenceLength(uint8_t lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead < 0xe0) return 2;
  if (lead >= 0xe0 && lead < 0xf0) return 3;
  return lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
}

}  // namespace

absl::StatusOr<absl::Time> ParseTime(const std::string& text) {
  absl::Time time;
  std::string problem;
  // A digit first: ParseTime() also takes words for infinity.
  if (text.empty() || !absl::ascii_isdigit(static_cast<unsigned char>(text[0])) ||
      !absl::ParseTime(absl::RFC3339_full, text, &time, &problem)) {
    return absl::InvalidArgumentError(absl::StrCat(Quote(text), " is not a time"));
  }
  return time;
}

std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", time, absl::UTCTimeZone());
}

bool MatchesFormat(const std::string& format, const std::string& text) {
  return Find(format).matches(text);
}

absl::StatusOr<std::string> ParseProbeBytes(const std::string& text) {
  constexpr char kHex[] = "hex:";
  if (!text.starts_with(kHex)) return text;
  const std::string digits = text.substr(sizeof(kHex) - 1);
  if (digits.empty() || digits.size() % 2 != 0 ||
      !std::all_of(digits.begin(), digits.end(),
                   [](char c) { return absl::ascii_isxdigit(static_cast<unsigned char>(c)); })) {
    return absl::InvalidArgumentError("must be pairs of hexadecimal digits after hex:");
  }
  return absl::HexStringToBytes(digits);
}

std::string FormatText(const std::string& format) { return Find(format).text; }

bool IsPrintableUtf8(const std::string& text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<uint8_t>(text[i]);
    const size_t length = SequenceLength(lead);
    if (length == 0 || i + length > text.size() || lead < 0x20 || lead == 0x7f) return false;
    uint32_t code = length == 1 ? lead : lead & (0xffU >> (length + 1));
    for (size_t k = 1; k < length; ++k) {
      const auto next = static_cast<uint8_t>(text[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      code = code << 6 | (next & 0x3f);
    }
    const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
    const bool surrogate = code >= 0xd800 && code <= 0xdfff;
    if (overlong || surrogate || code > 0x10ffff || (code >= 0x80 && code < 0xa0)) return false;
    i += length;
  }
  return true;
}

std::string Quote(const std::string& text) {
  constexpr size_t kShown = 60;
  std::string shown = text.substr(0, kShown);
  shown = IsPrintableUtf8(shown) ? shown : absl::CEscape(shown);
  return absl::StrCat("\"", shown, text.size() > kShown ? "..." : "", "\"");
}

}  // namespace guideway
