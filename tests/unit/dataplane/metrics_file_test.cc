// The data plane's own metrics where somebody has put something else in the file's way.
#include "dataplane/manager/metrics_file.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/unit/base/temporary_directory.h"

namespace guideway {
namespace {

namespace fs = std::filesystem;

struct Place {
  std::string Text() const {
    std::stringstream text;
    if (fs::is_regular_file(fs::symlink_status(path))) text << std::ifstream(path).rdbuf();
    return text.str();
  }
  const TemporaryDirectory owner;
  const std::string& directory = owner.path();
  const std::string path = owner.File("dataplane.prom");
};

DataplaneMetrics Sample() {
  DataplaneMetrics metrics;
  metrics.now = absl::FromUnixSeconds(1700000000);
  metrics.generation = 7;
  return metrics;
}

TEST_CASE("a lost socket is told") {
  DataplaneMetrics metrics = Sample();
  CHECK(ToText(metrics).find("\nguideway_dataplane_socket_lost 0\n") != std::string::npos);
  metrics.socket_lost = true;
  CHECK(ToText(metrics).find("\nguideway_dataplane_socket_lost 1\n") != std::string::npos);
}

TEST_CASE("it is written whole, replaced, and removed at the end") {
  const Place place;
  {
    MetricsFile file(place.path);
    for (const uint64_t generation : {7, 8}) {
      DataplaneMetrics metrics = Sample();
      metrics.generation = generation;
      file.Write(metrics);
      CHECK(place.Text() == ToText(metrics));
    }
  }
  CHECK(fs::is_empty(place.directory));
}

TEST_CASE("nothing that stands in its way is waited for or followed") {
  const Place place;
  const std::string victim = place.directory + "/victim";
  std::ofstream(victim) << "precious";
  const std::string in_the_way = GENERATE("", ".new");
  const std::string obstacle = place.path + in_the_way;
  bool written = true;
  SECTION("FIFO") { REQUIRE(mkfifo(obstacle.c_str(), 0666) == 0); }
  SECTION("symbolic link") { fs::create_symlink(victim, obstacle); }
  SECTION("another's file without any rights") {
    std::ofstream(obstacle) << "old";
    REQUIRE(chmod(obstacle.c_str(), 0) == 0);
  }
  SECTION("directory") {
    fs::create_directory(obstacle);
    written = false;
  }
  MetricsFile file(place.path);
  file.Write(Sample());
  CHECK(place.Text() == (written ? ToText(Sample()) : ""));
  CHECK(fs::file_size(victim) == 8);
  if (!written) fs::remove(obstacle);
  file.Write(Sample());  // it is tried again
  CHECK(place.Text() == ToText(Sample()));
}

}  // namespace
}  // namespace guideway
