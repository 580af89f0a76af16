// See flow_lookup.h.
#include "dataplane/manager/flow_lookup.h"

#include <algorithm>

#include "lib/base/clock.h"
#include "lib/hash/flow_hash.h"

namespace guideway {

void LookUpFlow(const channel::LookupFlowBody& flow, const TableState& tables,
                const std::vector<std::unique_ptr<FlowTable>>& flow_tables,
                channel::FlowLookup* lookup) {
  *lookup = {};
  if (!tables.globals.exists) return;
  FlowHashKey hash_key;
  std::copy(std::begin(tables.globals.body.flow_hash_key),
            std::end(tables.globals.body.flow_hash_key), hash_key.words.begin());
  const FlowKey key{.source = flow.source,
                    .destination = flow.destination,
                    .source_port = flow.source_port,
                    .destination_port = flow.destination_port,
                    .protocol = static_cast<IpProtocol>(flow.protocol)};
  const auto now_s = static_cast<uint32_t>(absl::ToInt64Seconds(BootClockNow()));
  lookup->flow_hash = FlowHash(hash_key, key);
  lookup->worker_count = static_cast<uint32_t>(flow_tables.size());
  for (size_t i = 0; i < flow_tables.size() && i < channel::kMaxWorkers; ++i) {
    const auto found = flow_tables[i]->Inspect(lookup->flow_hash, now_s);
    if (!found.has_value()) continue;
    lookup->workers[i] = {.backend = found->backend,
                          .times_out_in_s = found->times_out_in_s,
                          .state = static_cast<uint8_t>(found->state)};
  }
}

}  // namespace guideway
