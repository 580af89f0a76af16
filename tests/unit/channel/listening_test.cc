// The data plane's socket, whose file somebody deletes or replaces while it is in use.
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "lib/channel/controlplane_end.h"
#include "lib/channel/dataplane_end.h"
#include "lib/channel/unix_socket.h"
#include "tests/unit/base/temporary_directory.h"
#include "tests/unit/channel/data_plane_options.h"

namespace guideway::channel {
namespace {

namespace fs = std::filesystem;

struct Fixture {
  Fixture() {
    fs::create_directory(directory.File("run"));
    dataplane = DataplaneEnd::Listen(OptionsFor(path)).value();
  }
  void Handle() const {
    pollfd wait = {dataplane->fd(), POLLIN, 0};
    for (int i = 0; i < 4 && poll(&wait, 1, 0) > 0; ++i) dataplane->HandleEvents();
  }
  // True if the handshake succeeds.
  bool Connect(std::unique_ptr<ControlplaneEnd>* end) const {
    auto connected = ControlplaneEnd::Connect(path);
    if (!connected.ok()) return false;
    *end = *std::move(connected);
    Handle();
    const absl::StatusOr<bool> finished = (*end)->FinishHandshake();
    return finished.ok() && *finished;
  }
  std::string Problem() const { return std::string(dataplane->KeepListening().status().message()); }
  ino_t Inode() const {
    struct stat info = {};
    return lstat(path.c_str(), &info) == 0 ? info.st_ino : 0;
  }

  TemporaryDirectory directory;
  const std::string path = directory.File("run/channel");
  std::unique_ptr<DataplaneEnd> dataplane;
};

TEST_CASE("a socket that is there stays") {
  const Fixture f;
  const ino_t inode = f.Inode();
  for (int i = 0; i < 3; ++i) CHECK_FALSE(f.dataplane->KeepListening().value());
  CHECK(f.Inode() == inode);
}

TEST_CASE("a socket that is gone is made anew, and the connection stays") {
  const Fixture f;
  std::unique_ptr<ControlplaneEnd> first, second;
  REQUIRE(f.Connect(&first));
  SECTION("deleted") { fs::remove(f.path); }
  SECTION("renamed") { fs::rename(f.path, f.path + ".old"); }
  SECTION("another's who is gone") {
    fs::remove(f.path);
    const UniqueFd dead = ListenOn(f.path).value();
  }
  CHECK_FALSE(f.Connect(&second));
  CHECK(f.dataplane->KeepListening().value());
  CHECK_FALSE(f.dataplane->KeepListening().value());
  struct stat info;
  REQUIRE(lstat(f.path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0660);
  CHECK(f.dataplane->connected());
  first.reset();
  f.Handle();
  CHECK_FALSE(f.dataplane->connected());
  CHECK(f.Connect(&second));
}

TEST_CASE("what stands in its place is named and stays, until it is gone") {
  Fixture f;
  std::unique_ptr<ControlplaneEnd> end;
  fs::remove(f.path);
  SECTION("a socket on which another process listens") {
    UniqueFd other = ListenOn(f.path).value();
    const ino_t inode = f.Inode();
    CHECK(f.Problem() == absl::StrCat(f.path, ": process ", getpid(), " listens there already"));
    CHECK(f.Inode() == inode);
    other.reset();
  }
  SECTION("a file") {
    std::ofstream(f.path) << "precious";
    CHECK(f.Problem() == f.path + " exists and is not a socket");
    CHECK(fs::file_size(f.path) == 8);
    fs::remove(f.path);
  }
  SECTION("no directory") {
    fs::remove(fs::path(f.path).parent_path());
    CHECK_FALSE(f.Problem().empty());
    fs::create_directory(fs::path(f.path).parent_path());
  }
  CHECK(f.dataplane->KeepListening().value());
  CHECK(f.Connect(&end));
}

TEST_CASE("another's socket is not removed at the end, one's own is") {
  Fixture f;
  const bool others = GENERATE(true, false);
  UniqueFd other;
  if (others) {
    fs::remove(f.path);
    other = ListenOn(f.path).value();
  }
  f.dataplane.reset();
  CHECK(fs::exists(f.path) == others);
}

}  // namespace
}  // namespace guideway::channel
