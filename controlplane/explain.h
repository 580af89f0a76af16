// Which way the packets of one flow go, and why: what `guideway explain` shows.
//
// Computed from the tables that were sent to the data plane, with the data plane's own hash and
// encapsulation (lib/hash, lib/net), and from what its flow tables know. Pure functions.
#ifndef GUIDEWAY_CONTROLPLANE_EXPLAIN_H_
#define GUIDEWAY_CONTROLPLANE_EXPLAIN_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "controlplane/api/guideway_service.pb.h"
#include "controlplane/compiler/compiler.h"
#include "lib/channel/layout.h"
#include "lib/net/flow_key.h"

namespace guideway {

using ExplainDone = std::function<void(absl::StatusOr<v1::ExplainFlowResponse>)>;

// INVALID_ARGUMENT names the field.
absl::StatusOr<FlowKey> ParseFlow(const v1::ExplainFlowRequest& request);

// Borrowed for the call. What fills does so as GetState answers now, and nothing for a name that is
// unknown.
struct ExplainInput {
  const v1::Config& config;
  const Compiled& compiled;
  const BackendRegistry& registry;
  std::function<void(const std::string& vip, v1::VipState* state)> fill_vip;
  std::function<void(const std::string& pool, const std::string& backend, v1::BackendState* state)>
      fill_backend;
};

// `lookup`: what the data plane says of the flow, or why it could not be asked.
v1::ExplainFlowResponse ExplainFlow(const FlowKey& flow, const ExplainInput& input,
                                    const absl::StatusOr<channel::FlowLookup>& lookup);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_EXPLAIN_H_
