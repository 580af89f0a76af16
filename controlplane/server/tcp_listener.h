// A listening TCP socket by "ADDRESS:PORT", as --listen has it.
#ifndef GUIDEWAY_CONTROLPLANE_SERVER_TCP_LISTENER_H_
#define GUIDEWAY_CONTROLPLANE_SERVER_TCP_LISTENER_H_

#include <string>

#include "absl/status/statusor.h"
#include "lib/base/unique_fd.h"

namespace guideway {

struct TcpListener {
  UniqueFd socket;  // does not block
  int port = 0;     // also if 0 was asked for
};

// "192.0.2.1:9488", "[2001:db8::1]:9488", "[::]:9488" (both families). Names are refused.
absl::StatusOr<TcpListener> ListenOn(const std::string& place);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_SERVER_TCP_LISTENER_H_
