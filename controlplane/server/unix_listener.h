// The API's Unix socket: its file, and who accepts on it; see accept_loop.h.
#ifndef GUIDEWAY_CONTROLPLANE_SERVER_UNIX_LISTENER_H_
#define GUIDEWAY_CONTROLPLANE_SERVER_UNIX_LISTENER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "controlplane/server/accept_loop.h"
#include "lib/base/file_identity.h"

namespace guideway {

class UnixListener {
 public:
  // Listens on `path` (mode 0660), where nothing must be. Call it while the process has no thread
  // that creates files: it sets the umask for a moment.
  static absl::StatusOr<std::unique_ptr<UnixListener>> Start(const std::string& path,
                                                             size_t most_connections,
                                                             AcceptLoop::Handler handler);
  // No more calls of the handler afterwards. Removes the socket.
  ~UnixListener();

  uint64_t refused() const { return loop_->refused(); }
  // Whose socket lies at the path.
  enum class Place { kOwn, kNobodys, kAnothers };
  Place Look() const;

 private:
  explicit UnixListener(std::string path);

  const std::string path_;
  std::unique_ptr<AcceptLoop> loop_;
  std::optional<FileIdentity> file_;  // the socket's, to tell it from a successor's
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_SERVER_UNIX_LISTENER_H_
