// Runs a fuzz target over files and directories without a fuzzer: the corpora as regression tests.
// usage: TARGET PATH...     A finding aborts; the last line names the file.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/fuzz/fuzz.h"

namespace {

std::vector<std::string> FilesOf(int count, char** paths) {
  std::vector<std::string> files;
  for (int i = 0; i < count; ++i) {
    if (!std::filesystem::is_directory(paths[i])) {
      files.push_back(paths[i]);
      continue;
    }
    for (const auto& entry : std::filesystem::directory_iterator(paths[i])) {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> files = FilesOf(argc - 1, argv + 1);
  for (const std::string& name : files) {
    std::ifstream file(name, std::ios::binary);
    FUZZ_CHECK(file.is_open());
    const std::string text((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
    std::fprintf(stderr, "%s\n", name.c_str());
    // A copy of the exact size: a sanitizer sees reads behind it.
    const std::vector<uint8_t> bytes(text.begin(), text.end());
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  }
  std::printf("%zu inputs\n", files.size());
  return files.empty() ? 1 : 0;  // a corpus that is not there is no pass
}
