// Finds the AF_XDP sockets of this process: the driver does not tell which ones it opened.
#ifndef GUIDEWAY_DATAPLANE_PORTS_XSK_SOCKETS_H_
#define GUIDEWAY_DATAPLANE_PORTS_XSK_SOCKETS_H_

#include <set>

namespace guideway {

// Descriptors of all open AF_XDP sockets, by /proc/self/fd. The caller compares two calls to learn
// which one was opened in between. Descriptors stay owned by the driver.
std::set<int> OpenXskSockets();

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_PORTS_XSK_SOCKETS_H_
