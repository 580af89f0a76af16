// Which process is at the other end of an API call.
//
// gRPC does not tell a handler who connected to a Unix socket, but it names the connection of a
// descriptor that it was given "fd:NUMBER". So connections are accepted here, their credentials are
// noted under the number, and a handler looks them up. Numbers are given in turn, not the lowest
// free one: the number of a connection that has just been closed does not go to the next one while
// a call of the old one may still be waiting for its handler.
// Thread safety: Register() from one thread, Find() from any.
#ifndef GUIDEWAY_CONTROLPLANE_SERVER_PEER_H_
#define GUIDEWAY_CONTROLPLANE_SERVER_PEER_H_

#include <grpcpp/server_context.h>

#include <map>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"
#include "controlplane/peer_identity.h"
#include "lib/base/unique_fd.h"

namespace guideway {

// SO_PEERCRED and SO_PEERGROUPS of a connected Unix socket.
PeerIdentity IdentityOf(int connection);

class UnixPeers {
 public:
  UnixPeers();

  // Notes who is at the other end of an accepted connection and returns it as the descriptor to
  // give to gRPC. Errors: no descriptor is free.
  absl::StatusOr<UniqueFd> Register(UniqueFd connection);

  // Who makes the call with this context; kUnknown if it did not come over a registered connection.
  PeerIdentity Find(const grpc::ServerContext& context) const { return Find(context.peer()); }
  // By what ServerContext::peer() says.
  PeerIdentity Find(const std::string& peer) const;

 private:
  int lowest_ = 0;  // numbers from here to highest_ are given in turn
  int highest_ = 0;
  int next_ = 0;
  mutable std::mutex mutex_;
  std::map<std::string, PeerIdentity> by_peer_;  // guarded by mutex_; at most one a number
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_SERVER_PEER_H_
