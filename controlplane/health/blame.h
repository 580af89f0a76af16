// Whose fault it is that a probe's system call or connection has failed: this host's or not.
//
// What is not the backend's answer or silence says nothing of the backend. A call that fails at
// once has been refused by this host (no route, firewall, descriptor, memory, port). A connection
// that fails later has been refused by whoever sent the RST or the ICMP error: the socket's error
// queue tells whether that was a firewall of this host. If this host itself says that the neighbour
// does not answer, that is silence. Which addresses this host has is read anew when what is known
// of them is 200 ms old. Thread safety: pure functions, but for the system calls; each thread knows
// the addresses by itself.
#ifndef GUIDEWAY_CONTROLPLANE_HEALTH_BLAME_H_
#define GUIDEWAY_CONTROLPLANE_HEALTH_BLAME_H_

#include <cstdint>
#include <optional>
#include <string>

#include "lib/net/address.h"

namespace guideway {

// What a socket knows of its connection's end; to be asked for before it is closed.
struct SocketStory {
  enum Icmp : uint8_t {
    kNone,
    kFirewall,   // of this host
    kNeighbour,  // has not said its Ethernet address, says this host
    kNetwork,    // from elsewhere
    kUnknown,    // this host's own addresses, to tell by, cannot be read
  };
  Icmp icmp = kNone;
  std::optional<IpAddress> source;  // the socket's own address
};
SocketStory StoryOf(int socket);
// Its own address; none: it has none yet.
std::optional<IpAddress> SourceOf(int socket);

// `error` is an errno. Of connect() and send(), as they return.
bool IsOwnErrorOfCall(int error);
// What a connection or a question came to after the call had succeeded.
bool IsOwnErrorOfConnection(int error, const SocketStory& story);
// What recv() says: ICMP errors come this way, and what the host itself refuses has failed before.
bool IsOwnErrorOfAnswer(int error);

// Why nothing can come back to an address of this host ("eth0 has no carrier"), or why that cannot
// be told; empty: it can.
std::string LinkTrouble(const IpAddress& source);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_HEALTH_BLAME_H_
