// Any text as a configuration file: it is refused with places, or it is accepted, passes the checks
// that configurations from elsewhere must pass, and prints as a file that reads back equal.
// Input: the text.
#include "absl/strings/match.h"
#include "google/protobuf/util/message_differencer.h"
#include "lib/config/load.h"
#include "lib/config/printer.h"
#include "lib/config/validate.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace guideway;  // NOLINT(google-build-using-namespace): one function
  const std::string text(data, data + size);
  const auto config = ParseConfig(text, "f");
  if (!config.ok()) {
    FUZZ_CHECK(absl::IsInvalidArgument(config.status()));
    FUZZ_CHECK(absl::StartsWith(config.status().message(), "f:"));
    return 0;
  }
  FUZZ_CHECK(CheckConfig(*config).ok());
  const auto again = ParseConfig(PrintYaml(*config), "printed");
  FUZZ_CHECK(again.ok());
  FUZZ_CHECK(google::protobuf::util::MessageDifferencer::Equals(*config, *again));
  return 0;
}
