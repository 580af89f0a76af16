// What may lie in the place of a file: FIFO, directory, socket, device, loop of links, nothing.
#ifndef GUIDEWAY_TESTS_UNIT_CONTROLPLANE_MISPLACED_H_
#define GUIDEWAY_TESTS_UNIT_CONTROLPLANE_MISPLACED_H_

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include "lib/base/unique_fd.h"

namespace guideway {

struct Misplaced {
  std::string name;
  std::string said;  // of a state file, after its path
  std::function<void(const std::string& path)> put;
};

// A new directory below /tmp, removed with all in it.
class ScratchDirectory {
 public:
  ScratchDirectory() { REQUIRE(mkdtemp(path_) != nullptr); }
  ~ScratchDirectory() { std::filesystem::remove_all(path_); }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  std::string path() const { return path_; }
  std::string File(const std::string& name) const { return path() + "/" + name; }
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(File(name), std::ios::binary) << text;
  }
  std::string Read(const std::string& name) const {
    std::ifstream file(File(name), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }

 private:
  char path_[40] = "/tmp/guideway_scratch_XXXXXX";
};

inline void PutSocket(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  REQUIRE(path.size() < sizeof(address.sun_path));
  memcpy(address.sun_path, path.c_str(), path.size());
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM, 0));
  REQUIRE(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
}

inline std::vector<Misplaced> AllMisplaced() {
  std::vector<Misplaced> all = {
      {"empty", "is empty",
       [](const std::string& path) {
         const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0640));
         REQUIRE(fd.valid());
       }},
      {"fifo", "is a FIFO, not a regular file",
       [](const std::string& path) { REQUIRE(mkfifo(path.c_str(), 0640) == 0); }},
      {"directory", "is a directory, not a regular file",
       [](const std::string& path) { REQUIRE(mkdir(path.c_str(), 0750) == 0); }},
      {"socket", "is a socket, not a regular file", PutSocket},
      {"loop", "is a symbolic link, not a regular file",
       [](const std::string& path) { REQUIRE(symlink(path.c_str(), path.c_str()) == 0); }},
      {"link to a device that never ends", "is a symbolic link, not a regular file",
       [](const std::string& path) { REQUIRE(symlink("/dev/zero", path.c_str()) == 0); }},
  };
  if (geteuid() == 0) {
    all.push_back({"device", "is a device, not a regular file", [](const std::string& path) {
                     REQUIRE(mknod(path.c_str(), S_IFCHR | 0640, makedev(1, 5)) == 0);
                   }});
  }
  return all;
}

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_CONTROLPLANE_MISPLACED_H_
