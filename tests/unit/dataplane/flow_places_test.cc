// Flow tables whose place is taken by something that is no file of ours: it is set aside, and the
// data plane starts. Needs root.
#include <fcntl.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "lib/base/unique_fd.h"
#include "tests/unit/base/failing_flock.h"
#include "tests/unit/dataplane/flow_host.h"

namespace guideway {
namespace {

// What others may have put there, or a mishap has.
void PutInPlace(const std::string& what, const std::string& path) {
  fs::remove_all(path);
  if (what == "a FIFO") REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  if (what == "a directory") fs::create_directories(path + "/with/more");
  if (what == "a symbolic link") fs::create_symlink("/etc/passwd", path);
  if (what != "of user 65534") return;
  std::ofstream(path) << std::string(size_t{2} << 20, 'x');
  REQUIRE(chown(path.c_str(), 65534, 65534) == 0);
}

TEST_CASE("what stands in a worker's place and is no file of ours is set aside, named") {
  const std::string what = GENERATE("a FIFO", "a directory", "a symbolic link", "of user 65534");
  const std::string older = GENERATE("", "a FIFO", "a directory");
  const Host host;
  {
    const FlowFiles files = host.Start(2);
    Enter(files, 0, 200);
  }
  PutInPlace(what, host.File("flows-1"));
  if (!older.empty()) PutInPlace(older, host.File("flows-1.damaged"));
  INFO(what << ", " << older);
  const FlowFiles files = host.Start(2);
  CHECK(Known(files, 0, 200) == 100);  // those of the other worker
  Enter(files, 200, 300);
  CHECK(Known(files, 200, 300) == 100);
  // A directory is replaced by nothing, a file not by a directory.
  const bool in_the_way = older == "a directory" || (older == "a FIFO" && what == "a directory");
  const std::string name = in_the_way ? "flows-1.damaged-2" : "flows-1.damaged";
  CHECK(files.warnings.size() == 1);
  CHECK(Says(files, "flows-1 cannot be used (" + what + "): renamed to " + host.File(name)));
  CHECK(fs::exists(fs::symlink_status(host.File(name))));
  CHECK(fs::is_regular_file(fs::symlink_status(host.File("flows-1"))));
  // Nothing else has come.
  CHECK(host.Names().size() == (in_the_way ? 4 : 3));
}

TEST_CASE("what was set aside is no table for later starts, and does not pile up") {
  const Host host;
  for (int i = 0; i < 3; ++i) {
    PutInPlace("of user 65534", host.File("flows-0"));
    const FlowFiles files = host.Start(1);
    CHECK(files.warnings.size() == 1);
  }
  CHECK(host.Names() == std::set<std::string>{"flows-0", "flows-0.damaged"});
  const FlowFiles files = host.Start(1);
  CHECK(files.warnings.empty());
  CHECK(Says(files, "flows kept"));
}

TEST_CASE("another's file that somebody holds is refused, as in use") {
  const Host host;
  PutInPlace("of user 65534", host.File("flows-0"));
  const UniqueFd held(open(host.File("flows-0").c_str(), O_RDWR | O_CLOEXEC));
  REQUIRE(flock(held.get(), LOCK_EX | LOCK_NB) == 0);
  CHECK(host.TryToStart(1).status().ToString().find("is in use by another data plane") !=
        std::string::npos);
  CHECK(host.Names() == std::set<std::string>{"flows-0"});
}

TEST_CASE("only a lock that another has makes a file one that is in use") {
  const Host host;
  {
    const FlowFiles files = host.Start(2);
    Enter(files, 0, 100);
  }
  SECTION("no locks to be had: named, and the flows are kept") {
    const int error = GENERATE(ENOLCK, ENOSYS, EOPNOTSUPP);
    CAPTURE(error);
    const FailingFlock failing(error);
    const FlowFiles files = host.Start(2);
    CHECK(Known(files, 0, 100) == 100);
    REQUIRE(files.warnings.size() == 2);
    CHECK(Says(files, "flows-0: cannot be locked: "));
    CHECK(Says(files, "flows-1: cannot be locked: "));
  }
  SECTION("no locks to be had, and somebody else's file in its place") {
    PutInPlace("of user 65534", host.File("flows-0"));
    const FailingFlock failing(ENOLCK);
    CHECK(Says(host.Start(1), "flows-0.damaged; the worker's flow table begins empty"));
  }
  SECTION("interrupted: tried again") {
    const FailingFlock failing(EINTR, 3);
    const FlowFiles files = host.Start(2);
    CHECK(files.warnings.empty());
    CHECK(host.TryToStart(2).status().ToString().find("is in use by another data plane") !=
          std::string::npos);
  }
}

TEST_CASE("what was set aside goes if its room is needed") {
  REQUIRE(unshare(CLONE_NEWNS) == 0);
  REQUIRE(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
  const Host host;
  REQUIRE(mount("small", host.path.c_str(), "tmpfs", 0, "size=3m,mode=0700") == 0);
  PutInPlace("of user 65534", host.File("flows-0"));  // 2 MiB, as the new one
  {
    const FlowFiles files = host.Start(1);
    CHECK(Says(files, "flows-0.damaged: removed to make room"));
    CHECK(host.Names() == std::set<std::string>{"flows-0"});
  }
  REQUIRE(umount(host.path.c_str()) == 0);
}

}  // namespace
}  // namespace guideway
