// Checks of single requests and of whole tables, for TableDraft.
//
// Thread safety: pure functions.
#ifndef GUIDEWAY_DATAPLANE_TABLES_REQUEST_CHECK_H_
#define GUIDEWAY_DATAPLANE_TABLES_REQUEST_CHECK_H_

#include <bitset>
#include <cstdint>
#include <string>

#include "dataplane/tables/table_state.h"
#include "lib/channel/messages.h"
#include "lib/channel/shared_memory.h"

namespace guideway {

// What is wrong: becomes the response's code, field and value.
struct Refusal {
  channel::ResponseCode code = channel::ResponseCode::kOk;
  std::string field;  // "vip[3].protocol"; at most 39 characters
  uint64_t value = 0;

  bool ok() const { return code == channel::ResponseCode::kOk; }
};

Refusal CheckGlobals(const channel::GlobalsBody& body);
Refusal CheckVip(const channel::VipBody& body);
Refusal CheckPool(const channel::PoolBody& body, const channel::ArenaView& arena);
Refusal CheckBackend(const channel::BackendBody& body);
Refusal CheckQuicLb(const channel::QuicLbBody& body);
Refusal CheckNextHop(const channel::NextHopBody& body, uint32_t port_count);
Refusal CheckLookupFlow(const channel::LookupFlowBody& body);
// `type` is one of the kDelete*.
Refusal CheckDelete(channel::MessageType type, uint32_t index);

using PoolSet = std::bitset<channel::kMaxPools>;  // by pool index

// Whether everything that `tables` refers to exists, no two VIPs are the same and no two backends
// have a server ID in common. Of the pool
// tables only those in `unchecked_pools` are looked at.
Refusal CheckTables(const TableState& tables, const PoolSet& unchecked_pools);

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_TABLES_REQUEST_CHECK_H_
