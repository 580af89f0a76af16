// TableState: all tables of one generation as the manager keeps them - checked messages by index.
//
// Each vector is as long as its highest index asks for. Copying it copies no pool table. Thread
// safety: none; the manager's thread only.
#ifndef GUIDEWAY_DATAPLANE_TABLES_TABLE_STATE_H_
#define GUIDEWAY_DATAPLANE_TABLES_TABLE_STATE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/tables/pool_table.h"
#include "lib/channel/messages.h"

namespace guideway {

template <typename Body>
struct TableEntry {
  bool exists = false;
  Body body = {};
};

struct TableState {
  uint64_t generation = 0;  // 0: nothing configured yet
  TableEntry<channel::GlobalsBody> globals;
  std::vector<TableEntry<channel::VipBody>> vips;
  std::vector<std::shared_ptr<const PoolTable>> pools;  // nullptr: does not exist
  std::vector<TableEntry<channel::BackendBody>> backends;
  std::vector<TableEntry<channel::NextHopBody>> next_hops;
  std::vector<TableEntry<channel::QuicLbBody>> quic_lbs;
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_TABLES_TABLE_STATE_H_
