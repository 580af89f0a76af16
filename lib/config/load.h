// A configuration file, from bytes to a checked configuration with its defaults filled in.
// Stateless.
#ifndef GUIDEWAY_LIB_CONFIG_LOAD_H_
#define GUIDEWAY_LIB_CONFIG_LOAD_H_

#include <string>

#include "absl/status/statusor.h"
#include "lib/config/guideway.pb.h"

namespace guideway {

// The text of a file of at most 16 MiB. Errors name the file.
absl::StatusOr<std::string> ReadConfigText(const std::string& path);

// INVALID_ARGUMENT with one line per problem, each "SOURCE:LINE:COLUMN: field: what; what is
// allowed".
absl::StatusOr<v1::Config> ParseConfig(const std::string& text, const std::string& source);

// Both: errors as above with the file's path as SOURCE.
absl::StatusOr<v1::Config> LoadConfigFile(const std::string& path);

}  // namespace guideway

#endif  // GUIDEWAY_LIB_CONFIG_LOAD_H_
