// A small server on 127.0.0.1 for probe tests, run by the test's event loop.
#ifndef GUIDEWAY_TESTS_UNIT_CONTROLPLANE_LOCAL_SERVER_H_
#define GUIDEWAY_TESTS_UNIT_CONTROLPLANE_LOCAL_SERVER_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "controlplane/event_loop.h"
#include "lib/base/unique_fd.h"

namespace guideway {

class LocalServer {
 public:
  // Answers a request with `reply` and closes; without a reply it accepts and says nothing.
  LocalServer(EventLoop* loop, std::optional<std::string> reply,
              const std::string& address = "127.0.0.1", uint16_t port = 0)
      : loop_(loop), reply_(std::move(reply)) {
    listener_.reset(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const int on = 1;
    setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    sockaddr_in local{};
    local.sin_family = AF_INET;
    local.sin_port = htons(port);
    inet_pton(AF_INET, address.c_str(), &local.sin_addr);
    socklen_t size = sizeof(local);
    if (bind(listener_.get(), reinterpret_cast<sockaddr*>(&local), sizeof(local)) != 0 ||
        listen(listener_.get(), 64) != 0 ||
        getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&local), &size) != 0) {
      throw std::runtime_error("local server on " + address);
    }
    port_ = ntohs(local.sin_port);
    loop_->Watch(listener_.get(), EPOLLIN, [this](uint32_t) { Accept(); });
  }
  ~LocalServer() {
    loop_->Unwatch(listener_.get());
    for (auto& [fd, client] : clients_) loop_->Unwatch(fd);
  }
  uint16_t port() const { return port_; }
  int accepted() const { return accepted_; }
  const std::string& last_peer() const { return last_peer_; }
  const std::string& last_request() const { return last_request_; }

 private:
  struct Client {
    UniqueFd socket;
    std::string request;
  };
  void Accept() {
    sockaddr_in peer{};
    socklen_t size = sizeof(peer);
    const int fd = accept4(listener_.get(), reinterpret_cast<sockaddr*>(&peer), &size,
                           SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    char text[INET_ADDRSTRLEN];
    last_peer_ = inet_ntop(AF_INET, &peer.sin_addr, text, sizeof(text));
    ++accepted_;
    clients_[fd].socket.reset(fd);
    loop_->Watch(fd, EPOLLIN, [this, fd](uint32_t) { Read(fd); });
  }
  void Read(int fd) {
    Client& client = clients_[fd];
    char buffer[4096];
    const ssize_t got = read(fd, buffer, sizeof(buffer));
    if (got > 0) client.request.append(buffer, static_cast<size_t>(got));
    const bool whole = client.request.find("\r\n\r\n") != std::string::npos;
    if (got > 0 && !(whole && reply_.has_value())) return;
    if (whole && reply_.has_value()) {
      last_request_ = client.request;
      send(fd, reply_->data(), reply_->size(), MSG_NOSIGNAL);
    }
    loop_->Unwatch(fd);
    clients_.erase(fd);
  }

  EventLoop* loop_;
  std::optional<std::string> reply_;
  UniqueFd listener_;
  uint16_t port_ = 0;
  int accepted_ = 0;
  std::string last_peer_;
  std::string last_request_;
  std::map<int, Client> clients_;
};

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_CONTROLPLANE_LOCAL_SERVER_H_
