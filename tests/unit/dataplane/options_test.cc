// CPU lists, the assignment of CPUs, limits of replies.
#include "dataplane/manager/options.h"

#include <catch2/catch.hpp>

namespace guideway {
namespace {

using Cpus = std::vector<uint32_t>;

TEST_CASE("CPU lists: numbers and ranges") {
  CHECK(ParseCpuList("worker_cpus", "3").value() == Cpus{3});
  CHECK(ParseCpuList("worker_cpus", "2-4,7").value() == Cpus{2, 3, 4, 7});
}

TEST_CASE("CPU lists that make no sense are refused by the flag's name") {
  for (const std::string text : {"", "a", "4-2", "1,,2", "1-2-3", "1,1", "0-99999", "-1"}) {
    const absl::StatusOr<Cpus> cpus = ParseCpuList("worker_cpus", text);
    INFO(text);
    REQUIRE_FALSE(cpus.ok());
    CHECK(std::string(cpus.status().message()).find("--worker_cpus") == 0);
  }
}

TEST_CASE("the manager gets the first CPU, workers the others, shared only if there are too few") {
  DataplaneOptions options;
  AssignCpus({4, 5, 6}, 2, &options);
  CHECK(options.manager_cpu == 4);
  CHECK(options.worker_cpus == Cpus{5, 6});
  AssignCpus({0, 1}, 2, &options);
  CHECK(options.worker_cpus == Cpus{1, 0});
  AssignCpus({0}, 1, &options);
  CHECK(options.worker_cpus == Cpus{0});
}

TEST_CASE("limits of what is sent back are flags; 0 is none") {
  std::vector<std::string> arguments = {"test", "--port=vdev:net_null0", "--workers=1",
                                        "--too_big_per_second=7", "--echo_per_second=0"};
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  int argc = static_cast<int>(pointers.size());
  char** argv = pointers.data();
  const absl::StatusOr<DataplaneOptions> options = ParseOptions(&argc, &argv);
  INFO(options.status());
  REQUIRE(options.ok());
  CHECK(options->limits.too_big_per_second == 7);
  CHECK(options->limits.echo_per_second == 0);
}

}  // namespace
}  // namespace guideway
