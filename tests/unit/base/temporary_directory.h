// A directory that goes away with the object.
#ifndef GUIDEWAY_TESTS_UNIT_BASE_TEMPORARY_DIRECTORY_H_
#define GUIDEWAY_TESTS_UNIT_BASE_TEMPORARY_DIRECTORY_H_

#include <cstdlib>
#include <filesystem>
#include <string>

namespace guideway {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    char name[] = "/tmp/guideway-test-XXXXXX";
    if (mkdtemp(name) == nullptr) std::abort();
    path_ = name;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }
  std::string File(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_BASE_TEMPORARY_DIRECTORY_H_
