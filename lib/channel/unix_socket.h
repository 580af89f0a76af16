// A listening Unix SOCK_SEQPACKET socket and connections to one. Never blocks. Thread safety: pure
// functions.
#ifndef GUIDEWAY_LIB_CHANNEL_UNIX_SOCKET_H_
#define GUIDEWAY_LIB_CHANNEL_UNIX_SOCKET_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "lib/base/unique_fd.h"

namespace guideway::channel {

// Listens on `path`, mode 0660. A socket file that nobody listens on is replaced; a live listener
// (AlreadyExists, with its process id) or anything but a socket is refused by name.
absl::StatusOr<UniqueFd> ListenOn(const std::string& path);

// Unavailable, naming the path, if nobody listens there; DeadlineExceeded if too many are waiting
// to be accepted already: whoever listens hangs.
absl::StatusOr<UniqueFd> ConnectTo(const std::string& path);

// The process at the other end, as the kernel tells; 0 if it does not.
uint32_t PeerProcessId(int socket);

}  // namespace guideway::channel

#endif  // GUIDEWAY_LIB_CHANNEL_UNIX_SOCKET_H_
