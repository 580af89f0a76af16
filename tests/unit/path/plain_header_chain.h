// What stands between an IP header and its transport, by an implementation of its own, for tests
// that compare with dataplane/path/header_chain.h.
#ifndef GUIDEWAY_TESTS_UNIT_PATH_PLAIN_HEADER_CHAIN_H_
#define GUIDEWAY_TESTS_UNIT_PATH_PLAIN_HEADER_CHAIN_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include "absl/types/span.h"

namespace guideway {

struct PlainChain {
  bool fragment = false;  // of several: the chain ends there
  uint8_t protocol = 0;
  size_t length_bytes = 0;
};

// Extension headers as RFC 8200 and RFC 4302 word them, at most `allowed`; none if they are bad.
inline std::optional<PlainChain> PlainWalk(uint8_t type, absl::Span<const uint8_t> rest,
                                           int allowed = 8) {
  // What a header's length field counts, beyond the first 8 bytes.
  static const std::map<uint8_t, size_t> kUnitBytes = {{0, 8},  {43, 8},  {44, 0},  {51, 4},
                                                       {60, 8}, {135, 8}, {139, 8}, {140, 8}};
  const auto unit = kUnitBytes.find(type);
  if (unit == kUnitBytes.end()) return PlainChain{.protocol = type};
  if (allowed == 0 || rest.size() < 8) return std::nullopt;
  const size_t length = 8 + rest[1] * unit->second;
  if (length > rest.size()) return std::nullopt;
  if (type == 43 && rest[3] > 0) return std::nullopt;
  if (type == 44 && ((rest[2] << 8 | rest[3]) & 0xfff9) != 0) {
    return PlainChain{.fragment = true, .protocol = rest[0]};
  }
  std::optional<PlainChain> chain = PlainWalk(rest[0], rest.subspan(length), allowed - 1);
  if (chain.has_value()) chain->length_bytes += length;
  return chain;
}

// Options as RFC 791 words them: whether they can be, and do not route.
inline bool PlainOptionsAreGood(absl::Span<const uint8_t> options) {
  if (options.empty() || options[0] == 0) return true;
  if (options[0] == 1) return PlainOptionsAreGood(options.subspan(1));
  const bool routes =
      (options[0] & 0x60) == 0 && ((options[0] & 31) == 3 || (options[0] & 31) == 9);
  if ((routes && options[0] >= 128) || options.size() < 2) return false;
  const size_t length = options[1];
  return length >= 2 && length <= options.size() && PlainOptionsAreGood(options.subspan(length));
}

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_PATH_PLAIN_HEADER_CHAIN_H_
