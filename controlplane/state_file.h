// Small files that survive crashes: written whole or not at all, and known to be damaged if they
// are. Stateless; blocking calls.
#ifndef GUIDEWAY_CONTROLPLANE_STATE_FILE_H_
#define GUIDEWAY_CONTROLPLANE_STATE_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace guideway {

// SHA-256 in 64 hex digits.
std::string Sha256Hex(const std::string& data);

// Creates the directory (mode 0750) with its parents if it does not exist.
absl::Status MakeDirectories(const std::string& path);

// Replaces DIRECTORY/NAME by `payload` with a checksum in front: temporary file, fsync, rename,
// fsync of the directory. After an error the old file is still there.
absl::Status WriteStateFile(const std::string& directory, const std::string& name,
                            const std::string& payload);
// NOT_FOUND if there is none, DATA_LOSS if the checksum is wrong. At most 64 MiB.
absl::StatusOr<std::string> ReadStateFile(const std::string& directory, const std::string& name);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_STATE_FILE_H_
