// A port on 127.0.0.1 on which nobody listens, for probe tests.
#ifndef GUIDEWAY_TESTS_UNIT_CONTROLPLANE_CLOSED_PORT_H_
#define GUIDEWAY_TESTS_UNIT_CONTROLPLANE_CLOSED_PORT_H_

#include <netinet/in.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>

#include "lib/base/unique_fd.h"

namespace guideway {

// As long as the object lives.
class ClosedPort {
 public:
  ClosedPort() : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in local{};
    local.sin_family = AF_INET;
    local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(local);
    REQUIRE(bind(socket_.get(), reinterpret_cast<sockaddr*>(&local), sizeof(local)) == 0);
    REQUIRE(getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&local), &size) == 0);
    port = ntohs(local.sin_port);
  }
  int fd() const { return socket_.get(); }
  uint16_t port = 0;

 private:
  UniqueFd socket_;
};

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_CONTROLPLANE_CLOSED_PORT_H_
