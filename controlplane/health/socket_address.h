// An IP address and a port as the socket calls take them. A value; thread safety: as such.
#ifndef GUIDEWAY_CONTROLPLANE_HEALTH_SOCKET_ADDRESS_H_
#define GUIDEWAY_CONTROLPLANE_HEALTH_SOCKET_ADDRESS_H_

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>

#include "lib/net/address.h"
#include "lib/net/big_endian.h"

namespace guideway {

class SocketAddress {
 public:
  SocketAddress(const IpAddress& address, uint16_t port) {
    if (address.IsIpv4()) {
      auto* v4 = reinterpret_cast<sockaddr_in*>(&storage_);
      v4->sin_family = AF_INET;
      v4->sin_port = Be16(port).wire();
      v4->sin_addr.s_addr = address.ipv4().wire();
      size_ = sizeof(sockaddr_in);
      return;
    }
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage_);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = Be16(port).wire();
    std::memcpy(v6->sin6_addr.s6_addr, address.bytes.data(), sizeof(v6->sin6_addr.s6_addr));
    size_ = sizeof(sockaddr_in6);
  }

  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage_); }
  socklen_t size() const { return size_; }
  socklen_t* size_in_out() { return &size_; }  // for getsockname() and the like

  IpAddress ip() const {
    if (storage_.ss_family == AF_INET) {
      const auto* v4 = reinterpret_cast<const sockaddr_in*>(&storage_);
      return IpAddress::FromIpv4(Be32::FromWire(v4->sin_addr.s_addr));
    }
    return IpAddress::FromIpv6(reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_addr.s6_addr);
  }
  uint16_t port() const {  // at the same place in both
    return Be16::FromWire(reinterpret_cast<const sockaddr_in*>(&storage_)->sin_port).host();
  }

 private:
  sockaddr_storage storage_{};
  socklen_t size_ = 0;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_HEALTH_SOCKET_ADDRESS_H_
