// Any text as a value of --port: what is accepted names a port in words that fit the channel and a
// log line. Input: the text.
#include <string>

#include "dataplane/ports/port_spec.h"
#include "lib/channel/layout.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace guideway;  // NOLINT(google-build-using-namespace): one function
  const std::string text(data, data + size);
  const auto spec = ParsePortSpec(text);
  if (!spec.ok()) {
    FUZZ_CHECK(std::string(spec.status().message()).find("--port=" + text + ": ") == 0);
    return 0;
  }
  FUZZ_CHECK(!spec->name.empty() && spec->name.size() < sizeof(channel::PortInfo::name));
  FUZZ_CHECK(spec->device.empty() == (spec->kind == PortKind::kAfXdp));
  FUZZ_CHECK(text.find(spec->name) != std::string::npos);
  return 0;
}
