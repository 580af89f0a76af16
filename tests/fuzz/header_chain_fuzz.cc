// Any bytes as IPv4 options or IPv6 extension headers, in an allocation of exactly their number: a
// plain implementation agrees about what follows and where, or that they are bad.
//
// Input: kind (1 byte: 0 options, else the first extension header's type: below 10 one of the eight
// that are walked, TCP or UDP, else itself), then the bytes; of options the first 40.
#include "dataplane/path/header_chain.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/path/plain_header_chain.h"

namespace guideway {
namespace {

constexpr uint8_t kTypes[] = {0, 0, 43, 44, 51, 60, 135, 139, 140, 6};
constexpr size_t kMostOptionBytes = 40;

void CheckOptions(fuzz::Input input) {
  const std::vector<uint8_t> options = input.Bytes(kMostOptionBytes);
  FUZZ_CHECK(Ipv4OptionsAreGood(options.data(), static_cast<uint32_t>(options.size())) ==
             PlainOptionsAreGood(options));
}

void CheckExtensionHeaders(uint8_t type, fuzz::Input input) {
  const std::vector<uint8_t> headers = input.Bytes(SIZE_MAX);
  const ExtensionHeaders walked =
      WalkExtensionHeaders(type, headers.data(), static_cast<uint32_t>(headers.size()));
  const std::optional<PlainChain> plain = PlainWalk(type, headers);
  FUZZ_CHECK(walked.bad == !plain.has_value());
  if (walked.bad) return;
  FUZZ_CHECK(walked.fragment == plain->fragment);
  FUZZ_CHECK(walked.protocol == static_cast<IpProtocol>(plain->protocol));
  FUZZ_CHECK(walked.length_bytes == plain->length_bytes);
}

}  // namespace
}  // namespace guideway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace guideway;  // NOLINT(google-build-using-namespace): one function
  fuzz::Input input(data, size);
  const uint8_t kind = input.U8();
  if (kind == 0) {
    CheckOptions(input);
  } else {
    CheckExtensionHeaders(kind < std::size(kTypes) ? kTypes[kind] : kind, input);
  }
  return 0;
}
