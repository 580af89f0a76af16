// What a configuration file says that this host's own addresses contradict: backends that cannot be
// reached from here. For `check`, which knows no routes and asks no daemon.
#ifndef GUIDEWAY_CONTROLPLANE_CLI_LOCAL_REACH_H_
#define GUIDEWAY_CONTROLPLANE_CLI_LOCAL_REACH_H_

#include <string>
#include <vector>

#include "absl/types/span.h"
#include "lib/config/guideway.pb.h"
#include "lib/net/prefix.h"

namespace guideway::cli {

// Addresses of this host's interfaces that are up, loopback left out, with their prefix lengths
// (the bits behind them are set). Empty: not known.
std::vector<IpPrefix> LocalAddresses();

// A line for each backend that is this host itself, or that has to be on a segment of this host
// (l2) and is on none. Nothing with a static gateway or without `addresses`. Pure.
std::vector<std::string> LocalReachWarnings(const v1::Config& config,
                                            absl::Span<const IpPrefix> addresses);

}  // namespace guideway::cli

#endif  // GUIDEWAY_CONTROLPLANE_CLI_LOCAL_REACH_H_
