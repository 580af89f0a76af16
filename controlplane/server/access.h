// Who may call what: a role to read and a role to change, by Unix group or by certificate.
//
// Over the Unix socket: root and the control plane's own user may do all; with rules about groups,
// members of the write group may change and members of the read group look on, and nobody else may
// call at all; without any, whoever can open the socket may do all. Over TLS, where the certificate
// has been verified: by its names (common name and subject alternative names).
// Thread safety: constant after Create(); any thread.
#ifndef GUIDEWAY_CONTROLPLANE_SERVER_ACCESS_H_
#define GUIDEWAY_CONTROLPLANE_SERVER_ACCESS_H_

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controlplane/peer_identity.h"
#include "controlplane/server/peer.h"

namespace guideway {

enum class Role { kNone, kRead, kWrite };  // each may do what the one before it may

struct AccessRules {
  std::string read_group = {};  // names of Unix groups, or numbers; empty: none
  std::string write_group = {};
  std::vector<std::string> read_names = {};  // of client certificates
  std::vector<std::string> write_names = {};
};

class Access {
 public:
  // A group that does not exist has no members and keeps all others out, and is a problem.
  static Access Create(const AccessRules& rules);
  const std::vector<std::string>& problems() const { return problems_; }

  Role RoleOf(const PeerIdentity& peer) const;
  Role RoleOf(const std::vector<std::string>& certificate_names) const;
  // Whether groups say who may call: then the socket itself keeps nobody out.
  bool has_groups() const { return read_group_.has_value() || write_group_.has_value(); }

  // PERMISSION_DENIED unless the caller has the role.
  grpc::Status Check(const grpc::ServerContextBase& context, const UnixPeers& peers,
                     Role needed) const;

 private:
  std::optional<uint32_t> read_group_;
  std::optional<uint32_t> write_group_;
  std::set<std::string> read_names_;
  std::set<std::string> write_names_;
  std::vector<std::string> problems_;
};

// The names in the certificate of a caller over TLS; empty if there is none.
std::vector<std::string> CertificateNames(const grpc::ServerContextBase& context);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_SERVER_ACCESS_H_
