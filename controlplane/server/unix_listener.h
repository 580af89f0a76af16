// Accepts connections on the API's Unix socket, in a thread of its own.
//
// gRPC would do that by itself, but then nobody could ask who connects; see peer.h.
// Thread safety: made and destroyed by one thread; the handler is called on the listener's.
#ifndef GUIDEWAY_CONTROLPLANE_SERVER_UNIX_LISTENER_H_
#define GUIDEWAY_CONTROLPLANE_SERVER_UNIX_LISTENER_H_

#include <sys/stat.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "lib/base/unique_fd.h"

namespace guideway {

class UnixListener {
 public:
  // Listens on `path` (mode 0660), where nothing must be; calls `handler` with each connection
  // (non-blocking). Call it while the process has no thread that creates files: it sets the umask
  // for a moment.
  static absl::StatusOr<std::unique_ptr<UnixListener>> Start(const std::string& path,
                                                             std::function<void(UniqueFd)> handler);
  // No more calls of the handler afterwards. Removes the socket.
  ~UnixListener();

 private:
  UnixListener(std::string path, std::function<void(UniqueFd)> handler);
  void Run();

  const std::string path_;
  const std::function<void(UniqueFd)> handler_;
  UniqueFd listener_;
  UniqueFd stop_;          // an eventfd: readable when the thread is to end
  struct stat file_ = {};  // the socket's, to tell it from a successor's
  std::thread thread_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_SERVER_UNIX_LISTENER_H_
