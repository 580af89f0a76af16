// The gRPC server on its Unix socket.
#ifndef GUIDEWAY_CONTROLPLANE_SERVER_SERVER_H_
#define GUIDEWAY_CONTROLPLANE_SERVER_SERVER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "controlplane/server/peer.h"
#include "controlplane/server/service.h"
#include "controlplane/server/unix_listener.h"

namespace guideway {

// Largest message either way; a configuration of the largest size fits.
inline constexpr int kMaxApiMessageBytes = 16 << 20;

class ApiServer {
 public:
  // Listens on `socket_path` (mode 0660; its directory is created). The socket of a dead process is
  // replaced; one that answers is refused, naming the process. `store` is borrowed.
  // Call it while the process has no thread that creates files: it sets the umask for a moment.
  static absl::StatusOr<std::unique_ptr<ApiServer>> Start(const std::string& socket_path,
                                                          ConfigStore* store, ServiceHooks hooks);
  // Ends running calls within a second and removes the socket. The loop must have stopped or still
  // be running, so that handlers that wait for it come back.
  ~ApiServer();

 private:
  ApiServer(ConfigStore* store, ServiceHooks hooks);
  // On the listener's thread.
  void Serve(UniqueFd connection);

  UnixPeers peers_;
  GuidewayService service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<UnixListener> listener_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_SERVER_SERVER_H_
