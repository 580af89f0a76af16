// Files for tests: a directory of their own, and a configuration.
#ifndef GUIDEWAY_TESTS_UNIT_CONTROLPLANE_TEST_DIRECTORY_H_
#define GUIDEWAY_TESTS_UNIT_CONTROLPLANE_TEST_DIRECTORY_H_

#include <string>

namespace guideway {

// A new directory below /tmp, removed with all in it.
class TestDirectory {
 public:
  TestDirectory();
  ~TestDirectory();
  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }
  // Writes a file and returns its path.
  std::string Write(const std::string& name, const std::string& text) const;

 private:
  std::string path_;
};

std::string ReadWhole(const std::string& path);

// A valid configuration: pool web with web-1..web-4, pool idle, VIP site.
std::string TestYaml();

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_CONTROLPLANE_TEST_DIRECTORY_H_
