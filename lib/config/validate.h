// Whether a configuration makes sense: every field against its rule in the schema, and what fields
// mean together (names that refer to each other, duplicates, capacities). Stateless.
#ifndef GUIDEWAY_LIB_CONFIG_VALIDATE_H_
#define GUIDEWAY_LIB_CONFIG_VALIDATE_H_

#include "absl/status/status.h"
#include "lib/config/guideway.pb.h"
#include "lib/config/problems.h"

namespace guideway {

// `config` need not have its defaults filled in. Absent fields count with their defaults.
void Validate(const v1::Config& config, Problems* problems);
// The same as a status, for configurations that do not come from a file.
absl::Status CheckConfig(const v1::Config& config);

}  // namespace guideway

#endif  // GUIDEWAY_LIB_CONFIG_VALIDATE_H_
