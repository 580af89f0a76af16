// Flow tables' files: kept over a restart, and refused where they would not be safe. Needs root.
#include "dataplane/flows/flow_memory.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace guideway {
namespace {

constexpr size_t kBytes = size_t{1} << 20;

struct Directory {
  Directory() {
    char name[] = "/dev/shm/flow-memory-test-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    path = name;
  }
  ~Directory() { std::filesystem::remove_all(path); }
  std::string path;
};

std::string ErrorOf(const absl::StatusOr<FlowMemory>& memory) {
  return std::string(memory.status().message());
}

TEST_CASE("what was written is there for the next one") {
  const Directory directory;
  {
    auto first = FlowMemory::Map(directory.path, 3, kBytes);
    REQUIRE(first.ok());
    std::memcpy(first->data(), "flows", 6);
    const auto second = FlowMemory::Map(directory.path, 3, kBytes);
    CHECK(ErrorOf(second).find("flows-3 is in use by another data plane") != std::string::npos);
  }
  auto again = FlowMemory::Map(directory.path, 3, kBytes);
  REQUIRE(again.ok());
  CHECK(std::strcmp(static_cast<const char*>(again->data()), "flows") == 0);
}

TEST_CASE("a table of another size starts empty") {
  const Directory directory;
  std::memcpy(FlowMemory::Map(directory.path, 0, kBytes)->data(), "flows", 6);
  auto larger = FlowMemory::Map(directory.path, 0, kBytes * 8);
  REQUIRE(larger.ok());
  CHECK(*static_cast<const char*>(larger->data()) == 0);
}

TEST_CASE("a link to somebody's file is not followed") {
  const Directory directory;
  const std::string victim = directory.path + "/victim";
  CHECK(std::system(("echo precious > " + victim).c_str()) == 0);
  std::filesystem::create_symlink(victim, directory.path + "/flows-0");
  CHECK_FALSE(FlowMemory::Map(directory.path, 0, kBytes).ok());
  CHECK(std::filesystem::file_size(victim) == 9);
}

TEST_CASE("a directory that others can write to is refused") {
  const Directory directory;
  REQUIRE(chmod(directory.path.c_str(), 0777) == 0);
  CHECK(ErrorOf(FlowMemory::Map(directory.path, 0, kBytes)).find("writable by others") !=
        std::string::npos);
  REQUIRE(chmod(directory.path.c_str(), 0700) == 0);
  REQUIRE(chown(directory.path.c_str(), 65534, 65534) == 0);
  CHECK(ErrorOf(FlowMemory::Map(directory.path, 0, kBytes)).find("belongs to somebody else") !=
        std::string::npos);
}

TEST_CASE("a full file system is an error at start, not a SIGBUS later") {
  // A mount namespace of our own: the mount goes with the process.
  REQUIRE(unshare(CLONE_NEWNS) == 0);
  REQUIRE(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
  const Directory directory;
  REQUIRE(mount("small", directory.path.c_str(), "tmpfs", 0, "size=64k,mode=0700") == 0);
  const std::string error = ErrorOf(FlowMemory::Map(directory.path, 0, kBytes));
  CHECK(error.find("reserving 2 MiB for " + directory.path + "/flows-0") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(directory.path + "/flows-0"));
  REQUIRE(umount(directory.path.c_str()) == 0);
}

}  // namespace
}  // namespace guideway
