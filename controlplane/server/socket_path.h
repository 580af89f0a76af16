// The place of the API's Unix socket: who is there, and making room.
//
// Start-up; may take some seconds if a process is there that does not answer.
#ifndef GUIDEWAY_CONTROLPLANE_SERVER_SOCKET_PATH_H_
#define GUIDEWAY_CONTROLPLANE_SERVER_SOCKET_PATH_H_

#include <string>

#include "absl/status/status.h"

namespace guideway {

// Clears the way for a socket at `path`, whose directory is made. The socket of a dead or hung
// process is removed; one that serves is refused, naming the process.
absl::Status ClearSocketPath(const std::string& path);

// Whether a process listens at `path` that does not serve: it is stopped, say.
bool ListenerHangs(const std::string& path);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_SERVER_SOCKET_PATH_H_
