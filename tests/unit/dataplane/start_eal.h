// DPDK without hugepages and devices, for tests.
#ifndef GUIDEWAY_TESTS_UNIT_DATAPLANE_START_EAL_H_
#define GUIDEWAY_TESTS_UNIT_DATAPLANE_START_EAL_H_

#include <rte_eal.h>

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace guideway {

// Once in the process: later calls do nothing.
inline void StartEal(int memory_megabytes = 128) {
  static const bool started = [&] {
    std::vector<std::string> arguments = {
        "test",           "--no-huge",        "-m",          std::to_string(memory_megabytes),
        "--no-pci",       "--no-telemetry",   "--no-shconf", "--lcores=0",
        "--iova-mode=va", "--log-level=error"};
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    return rte_eal_init(static_cast<int>(argv.size()), argv.data()) >= 0;
  }();
  REQUIRE(started);
}

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_DATAPLANE_START_EAL_H_
