// See load.h.
#include "lib/config/load.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "lib/base/status.h"
#include "lib/base/unique_fd.h"
#include "lib/config/defaults.h"
#include "lib/config/validate.h"
#include "lib/config/yaml_reader.h"
#include "lib/config/yaml_tree.h"

namespace guideway {

absl::StatusOr<std::string> ReadConfigText(const std::string& path) {
  // O_NONBLOCK: a FIFO must be refused, not waited for.
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return ErrnoStatus(errno, path);
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return ErrnoStatus(errno, path);
  if (!S_ISREG(info.st_mode)) return absl::InvalidArgumentError(path + ": not a regular file");
  std::string text;
  char buffer[65536];
  for (;;) {
    const ssize_t size = read(fd.get(), buffer, sizeof(buffer));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return ErrnoStatus(errno, path);
    if (size == 0) return text;
    text.append(buffer, static_cast<size_t>(size));
    if (text.size() > kMaxYamlBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": has more than ", kMaxYamlBytes, " bytes, which is the limit"));
    }
  }
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
