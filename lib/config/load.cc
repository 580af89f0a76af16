// See load.h.
#include "lib/config/load.h"

#include "lib/base/regular_file.h"
#include "lib/base/status.h"
#include "lib/config/defaults.h"
#include "lib/config/validate.h"
#include "lib/config/yaml_reader.h"
#include "lib/config/yaml_tree.h"

namespace guideway {

absl::StatusOr<std::string> ReadConfigText(const std::string& path) {
  return ReadRegularFile(path, {.max_bytes = kMaxYamlBytes});
}

absl::StatusOr<v1::Config> ParseConfig(const std::string& text, const std::string& source) {
  Places places;
  Problems problems(&places);
  v1::Config config;
  ReadYaml(text, &config, &places, &problems);
  // Without fields (not YAML, a list) more would only be noise.
  if (problems.empty() || !places.empty()) Validate(config, &problems);
  GW_RETURN_IF_ERROR(problems.ToStatus(source));
  FillDefaults(&config);
  return config;
}

absl::StatusOr<v1::Config> LoadConfigFile(const std::string& path) {
  GW_ASSIGN_OR_RETURN(const std::string text, ReadConfigText(path));
  return ParseConfig(text, path);
}

}  // namespace guideway
