#include "lib/net/quic_lb_text.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace guideway {
namespace {

uint8_t DigitOf(char c) {
  if (absl::ascii_isdigit(static_cast<unsigned char>(c))) return static_cast<uint8_t>(c - '0');
  return static_cast<uint8_t>(absl::ascii_tolower(static_cast<unsigned char>(c)) - 'a' + 10);
}

bool IsHex(const std::string& text) {
  return text.size() % 2 == 0 && std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isxdigit(static_cast<unsigned char>(c));
         });
}

// Of text that IsHex().
void Decode(const std::string& text, uint8_t* bytes) {
  for (size_t i = 0; i < text.size(); i += 2) {
    bytes[i / 2] = static_cast<uint8_t>(DigitOf(text[i]) << 4 | DigitOf(text[i + 1]));
  }
}

}  // namespace

absl::StatusOr<ServerId> ParseServerId(const std::string& text) {
  if (!IsHex(text) || text.empty() || text.size() > size_t{2} * kMaxServerIdBytes) {
    return absl::InvalidArgumentError(absl::StrCat(text, " is not a server ID"));
  }
  ServerId id;
  Decode(text, id.bytes.data());
  id.length_bytes = static_cast<uint8_t>(text.size() / 2);
  return id;
}

absl::StatusOr<Aes128::Block> ParseAes128Key(const std::string& text) {
  Aes128::Block key{};
  if (!IsHex(text) || text.size() != 2 * key.size()) {
    return absl::InvalidArgumentError("not a key of 16 bytes");
  }
  Decode(text, key.data());
  return key;
}

std::string ToString(const ServerId& id) {
  return absl::BytesToHexString(
      std::string(reinterpret_cast<const char*>(id.bytes.data()), id.length_bytes));
}

}  // namespace guideway
