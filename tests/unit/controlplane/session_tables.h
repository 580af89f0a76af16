// The least tables for tests of the session: globals and one next hop.
#ifndef GUIDEWAY_TESTS_UNIT_CONTROLPLANE_SESSION_TABLES_H_
#define GUIDEWAY_TESTS_UNIT_CONTROLPLANE_SESSION_TABLES_H_

#include <cstdint>
#include <memory>

#include "controlplane/compiler/tables.h"

namespace guideway {

// `last_mac_byte`: of the next hop, so that tables differ.
inline std::shared_ptr<Tables> TablesWithNextHop(uint8_t last_mac_byte) {
  auto tables = std::make_shared<Tables>();
  tables->globals = {{1, 2, 3, 4, 5, 6}, 30, 3600, 30, 120, 120, channel::FragmentPolicy::kTrack};
  channel::NextHopBody next_hop = {};
  next_hop.mtu_bytes = 1500;
  next_hop.source_mac = *MacAddress::Parse("02:00:00:00:00:01");
  next_hop.destination_mac = *MacAddress::Parse("02:00:00:00:00:02");
  next_hop.destination_mac.bytes[5] = last_mac_byte;
  tables->next_hops.Set(0, next_hop);
  return tables;
}

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_CONTROLPLANE_SESSION_TABLES_H_
