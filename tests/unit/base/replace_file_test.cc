// A file that is put in the place of another one, whatever stands there and beside it.
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "lib/base/regular_file.h"
#include "tests/unit/base/temporary_directory.h"

namespace guideway {
namespace {

namespace fs = std::filesystem;

struct Place {
  absl::Status Replace(const std::string& contents) const {
    return ReplaceFile(path, beside, contents, 0640);
  }
  const TemporaryDirectory owner;
  const std::string& directory = owner.path();
  const std::string path = owner.File("file"), beside = owner.File("file.new");
};

TEST_CASE("a file is replaced as a whole, and nothing is left beside it") {
  const Place place;
  const std::string large(3 << 20, 'x');
  REQUIRE(place.Replace("first").ok());
  REQUIRE(place.Replace(large).ok());
  CHECK(ReadRegularFile(place.path).value() == large);
  CHECK((fs::status(place.path).permissions() & fs::perms(0137)) == fs::perms::none);
  CHECK_FALSE(fs::exists(place.beside));
}

TEST_CASE("a FIFO, link or file beside it is removed and never opened") {
  const Place place;
  std::ofstream(place.directory + "/victim") << "precious";
  SECTION("FIFO") { REQUIRE(mkfifo(place.beside.c_str(), 0600) == 0); }
  SECTION("link") { fs::create_symlink(place.directory + "/victim", place.beside); }
  SECTION("second name of a file") {
    fs::create_hard_link(place.directory + "/victim", place.beside);
  }
  REQUIRE(place.Replace("new").ok());
  CHECK(ReadRegularFile(place.path).value() == "new");
  CHECK(ReadRegularFile(place.directory + "/victim").value() == "precious");
}

TEST_CASE("what cannot be removed or written is named, and the file stays as it was") {
  const Place place;
  REQUIRE(place.Replace("old").ok());
  std::string named = place.beside;
  SECTION("directory beside it") { fs::create_directory(place.beside); }
  SECTION("directory in its place") {
    fs::remove(place.path);
    fs::create_directory(place.path);
    named = place.path;
  }
  SECTION("no directory") { fs::remove_all(place.directory); }
  const absl::Status status = place.Replace("new");
  CHECK_FALSE(status.ok());
  CHECK(std::string(status.message()).find(named) != std::string::npos);
  if (fs::is_regular_file(place.path)) CHECK(ReadRegularFile(place.path).value() == "old");
  CHECK_FALSE(fs::is_regular_file(place.beside));
}

}  // namespace
}  // namespace guideway
