// Who asks for a change, as far as the control plane can know. A value; any thread may copy it.
#ifndef GUIDEWAY_CONTROLPLANE_PEER_IDENTITY_H_
#define GUIDEWAY_CONTROLPLANE_PEER_IDENTITY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace guideway {

struct PeerIdentity {
  enum Kind {
    kUnknown,      // a connection whose other end could not be asked
    kSystem,       // the control plane itself: a signal, a deadline, the start
    kUnixProcess,  // over the Unix socket: the fields below
  };
  Kind kind = kUnknown;
  // Of the process that connected, at that moment (SO_PEERCRED): effective user and group.
  uint32_t uid = 0;
  uint32_t gid = 0;
  int32_t pid = 0;               // 0: in a PID namespace that cannot be seen from here
  std::vector<uint32_t> groups;  // its supplementary groups (SO_PEERGROUPS)

  static PeerIdentity System() {
    PeerIdentity system;
    system.kind = kSystem;
    return system;
  }
  // "uid 1000", "the control plane", "unknown".
  std::string ToString() const {
    if (kind == kSystem) return "the control plane";
    return kind == kUnixProcess ? absl::StrCat("uid ", uid) : "unknown";
  }
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_PEER_IDENTITY_H_
