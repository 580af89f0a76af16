// The gRPC server on its Unix socket.
#ifndef GUIDEWAY_CONTROLPLANE_SERVER_SERVER_H_
#define GUIDEWAY_CONTROLPLANE_SERVER_SERVER_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controlplane/server/accept_loop.h"
#include "controlplane/server/peer.h"
#include "controlplane/server/service.h"
#include "controlplane/server/unix_listener.h"

namespace guideway {

// Largest message either way; a configuration of the largest size fits.
inline constexpr int kMaxApiMessageBytes = 16 << 20;

// Beyond the Unix socket.
struct ApiOptions {
  // "ADDRESS:PORT", "[ADDRESS]:PORT"; empty: no TCP. The three PEM files are needed with it.
  std::string listen = {};
  std::string tls_cert = {};
  std::string tls_key = {};
  std::string tls_client_ca = {};  // who signs clients' certificates
  AccessRules access = {};
};

class ApiServer {
 public:
  // Listens on `socket_path` (mode 0660; its directory is created). The socket of a dead process is
  // replaced; one that answers is refused with FAILED_PRECONDITION, naming the process. All else
  // that is in the way - files, addresses, groups - is among the problems(), and what can be served
  // is. `store` is borrowed. Call it while the process has no thread that creates files: it sets
  // the umask for a moment.
  static absl::StatusOr<std::unique_ptr<ApiServer>> Start(const std::string& socket_path,
                                                          ConfigStore* store, ServiceHooks hooks,
                                                          const ApiOptions& options = {});
  // Ends running calls within 200 ms and removes the socket. The controller's loop and the store's
  // must have stopped or still be running, so that handlers that wait for them come back.
  ~ApiServer();

  int tcp_port() const { return tcp_port_; }  // 0: no TCP
  // What is not served as it was ordered; flags, files and addresses are named. Loop thread.
  std::vector<std::string> problems() const;
  // Tries again what could not be served. Loop thread.
  void ListenAgain();
  // Listens anew if somebody has removed the socket; about every second. Loop thread.
  void WatchSocket();
  // Tells watchers of an event, see WatchHub. Any thread.
  void Publish(v1::WatchEvent event) { service_.watch_hub()->Publish(std::move(event)); }
  // Loop thread.
  void FillStatus(v1::GetStatusResponse* status);

 private:
  ApiServer(std::string socket_path, ConfigStore* store, ServiceHooks hooks,
            const ApiOptions& options);
  void SetUp(grpc::ServerBuilder* builder);
  absl::Status ListenOnSocket();  // ALREADY_EXISTS: another process does
  absl::Status ListenOnTcp();
  // On the listeners' threads; the number that gRPC has the connection under.
  int Serve(UniqueFd connection);
  int ServeTcp(UniqueFd connection);

  // Of a listener, as FillStatus() saw it last.
  struct Refusals {
    uint64_t count = 0;
    absl::Time last = absl::InfinitePast();
  };
  static void AddRefusals(const std::string& listener, uint64_t count, Refusals* seen,
                          v1::GetStatusResponse* status);

  const std::string socket_path_;
  const ApiOptions options_;
  UnixPeers peers_;
  const Access access_;
  std::string socket_problem_;
  std::string tcp_problem_;
  int tcp_port_ = 0;
  GuidewayService service_;
  grpc::ResourceQuota quota_;  // of both servers together
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<grpc::Server> tcp_server_;  // null: none, or not yet
  std::unique_ptr<UnixListener> listener_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> tcp_acceptor_;
  std::unique_ptr<AcceptLoop> tcp_listener_;
  Refusals unix_refusals_, tcp_refusals_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_SERVER_SERVER_H_
