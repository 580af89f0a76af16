// See test_directory.h.
#include "tests/unit/controlplane/test_directory.h"

#include <glog/logging.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace guideway {

TestDirectory::TestDirectory() {
  char name[] = "/tmp/guideway-test-XXXXXX";
  CHECK(mkdtemp(name) != nullptr);
  path_ = name;
}
TestDirectory::~TestDirectory() { std::filesystem::remove_all(path_); }

std::string TestDirectory::Write(const std::string& name, const std::string& text) const {
  std::ofstream(File(name), std::ios::binary) << text;
  return File(name);
}

std::string ReadWhole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string TestYaml() {
  return R"(flow_hash_secret: 0123456789abcdef
pools:
- name: web
  probe: {type: tcp, port: 80}
  backends:
  - {name: web-1, address: 10.0.0.1}
  - {name: web-2, address: 10.0.0.2}
  - {name: web-3, address: 10.0.0.3, weight: 200}
  - {name: web-4, address: "2001:db8::4", state: drained}
- name: idle
  encapsulation: ipip
  backends:
  - {name: idle-1, address: 10.0.1.1}
vips:
- {name: site, address: 192.0.2.1, port: 443, protocol: tcp, pool: web}
)";
}

}  // namespace guideway
