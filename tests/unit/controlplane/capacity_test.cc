// What a data plane cannot hold.
#include "controlplane/capacity.h"

#include <catch2/catch.hpp>
#include <cstring>

namespace guideway {
namespace {

TEST_CASE("tables above the data plane's limit, and ports that it does not have") {
  channel::Welcome welcome;
  welcome.arena_slot_bytes = 1009 * sizeof(channel::MaglevSlot);
  welcome.port_count = 1;
  strcpy(welcome.ports[0].name, "eth1");
  strcpy(welcome.ports[1].name, "eth2");  // behind the count
  v1::Config config;
  config.add_pools()->set_name("web");
  config.mutable_pools(0)->set_table_size(1009);
  config.add_ports()->set_name("eth1");
  CHECK(BeyondCapacityOf(welcome, config).empty());
  config.mutable_pools(0)->set_table_size(1013);
  config.mutable_ports(0)->set_name("eth2");
  CHECK(
      BeyondCapacityOf(welcome, config) ==
      std::vector<std::string>{"pool web: table_size 1013 is more than the data plane takes, 1009",
                               "port eth2: the data plane has no such port"});
}

}  // namespace
}  // namespace guideway
