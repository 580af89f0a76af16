// What the workers' flow tables know of one flow, for the control plane.
//
// The manager's thread; the tables belong to the workers and are only looked into.
#ifndef GUIDEWAY_DATAPLANE_MANAGER_FLOW_LOOKUP_H_
#define GUIDEWAY_DATAPLANE_MANAGER_FLOW_LOOKUP_H_

#include <memory>
#include <vector>

#include "dataplane/tables/table_state.h"
#include "lib/channel/layout.h"
#include "lib/flow/flow_table.h"

namespace guideway {

// `flow` has been checked. `tables` are those in force: their key gives the flow its hash; without
// any no flow is known. Writes all of `*lookup`.
void LookUpFlow(const channel::LookupFlowBody& flow, const TableState& tables,
                const std::vector<std::unique_ptr<FlowTable>>& flow_tables,
                channel::FlowLookup* lookup);

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_MANAGER_FLOW_LOOKUP_H_
