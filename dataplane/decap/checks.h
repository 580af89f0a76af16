// What a backend's host needs beside the programs, what of it is missing, and mending that.
//
// Everything is about the network namespace of the process. Thread safety: functions without state.
#ifndef GUIDEWAY_DATAPLANE_DECAP_CHECKS_H_
#define GUIDEWAY_DATAPLANE_DECAP_CHECKS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/net/address.h"

namespace guideway {

struct CheckOptions {
  std::string interface;
  std::vector<IpAddress> vips;
  bool l2 = false;          // backend of an l2 pool: no programs are needed
  bool vips_given = false;  // `vips` were not looked up on lo
  bool watched = false;     // by this process, which tells its programs about addresses itself
};

struct Finding {
  std::string problem;               // in words for the operator
  std::vector<std::string> command;  // mends it
  bool automatic = true;             // whether `setup` runs the command
};

// Empty: all is well. An error: the interface does not exist.
absl::StatusOr<std::vector<Finding>> Check(const CheckOptions& options);

// The command as one types it.
std::string CommandText(const Finding& finding);

// Runs the finding's command and waits for it.
absl::Status Mend(const Finding& finding);

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_DECAP_CHECKS_H_
