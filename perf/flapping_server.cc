// TCP listeners that come and go, for benchmarks of health probes.
//
// usage: flapping_server CONTROL_SOCKET STEADY_PORT FLAPPING_PORT FIRST_ADDRESS COUNT
//
// Takes and closes connections to STEADY_PORT on every address, and to FLAPPING_PORT on COUNT IPv4
// addresses from FIRST_ADDRESS on. A datagram "flap N" to CONTROL_SOCKET makes the first N of those
// flap: a listener closes once it has been probed, and opens again 150 ms later, so that every
// other probe at an interval of 100 ms finds it closed. "down N" closes the first N and opens the
// others.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "controlplane/health/socket_address.h"

namespace guideway {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kClosedFor = std::chrono::milliseconds(150);

[[noreturn]] void Die(const char* what) {
  perror(what);
  exit(1);
}

int Listen(const IpAddress& address, uint16_t port) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int one = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  SocketAddress place(address, port);
  if (bind(listener, place.get(), place.size()) != 0) Die("bind");
  if (listen(listener, 1024) != 0) Die("listen");
  return listener;
}

int OpenControl(const char* path) {
  const int control = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un place = {};
  place.sun_family = AF_UNIX;
  strncpy(place.sun_path, path, sizeof(place.sun_path) - 1);
  unlink(path);
  if (bind(control, reinterpret_cast<const sockaddr*>(&place), sizeof(place)) != 0) Die("control");
  return control;
}

class Server {
 public:
  Server(const IpAddress& first_address, uint16_t port, size_t count)
      : first_address_(first_address), port_(port), listeners_(count, -1) {
    for (size_t i = 0; i < count; ++i) Open(i);
  }

  void Add(int fd, uint64_t tag) const {
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.u64 = tag;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) Die("epoll_ctl");
  }

  void Run(int steady, int control) {
    Add(steady, kSteady);
    Add(control, kControl);
    for (;;) {
      epoll_event events[256];
      const int count = epoll_wait(epoll_, events, 256, closed_.empty() ? -1 : 5);
      for (int i = 0; i < count; ++i) {
        const uint64_t tag = events[i].data.u64;
        if (tag == kSteady) {
          TakeAll(steady);
        } else if (tag == kControl) {
          Command(control);
        } else if (listeners_[tag] >= 0) {
          TakeAll(listeners_[tag]);
          if (tag < flapping_) Close(tag);
        }
      }
      for (; !closed_.empty() && closed_.front().until <= Clock::now(); closed_.pop_front()) {
        if (closed_.front().which >= down_) Open(closed_.front().which);
      }
    }
  }

 private:
  static constexpr uint64_t kSteady = 1 << 20, kControl = kSteady + 1;
  struct Closed {
    Clock::time_point until;
    size_t which;
  };

  static void TakeAll(int listener) {
    for (int taken = 0; (taken = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
      close(taken);
    }
  }
  void Open(size_t which) {
    const Be32 address(first_address_.ipv4().host() + static_cast<uint32_t>(which));
    listeners_[which] = Listen(IpAddress::FromIpv4(address), port_);
    Add(listeners_[which], which);
  }
  void Shut(size_t which) {
    close(listeners_[which]);
    listeners_[which] = -1;
  }
  void Close(size_t which) {
    Shut(which);
    closed_.push_back({Clock::now() + kClosedFor, which});
  }
  void Command(int control) {
    char text[64] = {};
    if (read(control, text, sizeof(text) - 1) < 0) Die("read");
    if (sscanf(text, "flap %zu", &flapping_) == 1) {
      down_ = 0;
    } else if (sscanf(text, "down %zu", &down_) == 1) {
      flapping_ = 0;
    } else {
      fprintf(stderr, "what is '%s'?\n", text);
    }
    closed_.clear();
    for (size_t i = 0; i < listeners_.size(); ++i) {
      if (listeners_[i] >= 0 && i < down_) Shut(i);
      if (listeners_[i] < 0 && i >= down_) Open(i);
    }
  }

  const int epoll_ = epoll_create1(EPOLL_CLOEXEC);
  const IpAddress first_address_;
  const uint16_t port_;
  size_t flapping_ = 0;
  size_t down_ = 0;
  std::vector<int> listeners_;  // -1: closed
  std::deque<Closed> closed_;
};

}  // namespace
}  // namespace guideway

int main(int argc, char** argv) {
  const auto first = guideway::IpAddress::Parse(argc == 6 ? argv[4] : "");
  if (!first.ok() || !first->IsIpv4()) {
    fprintf(stderr, "usage: %s CONTROL_SOCKET STEADY_PORT FLAPPING_PORT FIRST_ADDRESS COUNT\n",
            argv[0]);
    return 1;
  }
  const rlimit files = {.rlim_cur = 65536, .rlim_max = 65536};
  setrlimit(RLIMIT_NOFILE, &files);
  const auto port = [](const char* text) { return static_cast<uint16_t>(atoi(text)); };
  const int control = guideway::OpenControl(argv[1]);
  guideway::Server server(*first, port(argv[3]), static_cast<size_t>(atoi(argv[5])));
  const int steady =
      guideway::Listen(guideway::IpAddress::FromIpv4(guideway::Be32(0)), port(argv[2]));
  puts("ready");
  fflush(stdout);
  server.Run(steady, control);
}
