// Any text as an address: what is accepted prints and reads back as the same address, and errors
// quote the text. Input: the text.
#include <string>

#include "lib/net/address.h"
#include "tests/fuzz/fuzz.h"

namespace guideway {
namespace {

template <typename Address>
void CheckText(const std::string& text) {
  const auto address = Address::Parse(text);
  if (!address.ok()) {
    FUZZ_CHECK(std::string(address.status().message()).find("'" + text + "'") == 0);
    return;
  }
  const auto again = Address::Parse(address->ToString());
  FUZZ_CHECK(again.ok() && *again == *address);
  FUZZ_CHECK(again->ToString() == address->ToString());
}

void CheckBytes(const uint8_t* sixteen_bytes) {
  const IpAddress address = IpAddress::FromIpv6(sixteen_bytes);
  const auto again = IpAddress::Parse(address.ToString());
  FUZZ_CHECK(again.ok() && *again == address);
}

}  // namespace
}  // namespace guideway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(data, data + size);
  guideway::CheckText<guideway::IpAddress>(text);
  guideway::CheckText<guideway::MacAddress>(text);
  if (size == 16) guideway::CheckBytes(data);
  return 0;
}
