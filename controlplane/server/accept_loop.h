// Accepts connections on a listening socket, in a thread of its own, no more than a share of the
// process's descriptors at a time: who comes beyond it is turned away at once.
//
// gRPC would accept by itself, but without a limit, so that idle connections would take the last
// descriptor, and without telling who connects. Thread safety: made and destroyed by one thread;
// the handler is called on the loop's; refused() from any.
#ifndef GUIDEWAY_CONTROLPLANE_SERVER_ACCEPT_LOOP_H_
#define GUIDEWAY_CONTROLPLANE_SERVER_ACCEPT_LOOP_H_

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "lib/base/unique_fd.h"

namespace guideway {

// Which of the connections that were handed on are still open, without a word from who has them: a
// descriptor's number and its socket's inode are together never another connection's.
class OpenConnections {
 public:
  explicit OpenConnections(size_t most) : most_(most) {}
  // Whether there is room for one more.
  bool HasRoom();
  // `inode`: see InodeOf(), from before it was handed on.
  void Add(int connection, ino_t inode) { open_.push_back({connection, inode}); }

 private:
  struct Open {
    int fd;
    ino_t inode;
  };
  const size_t most_;
  std::vector<Open> open_;
};

// Of a socket; 0: it is none.
ino_t InodeOf(int fd);

class AcceptLoop {
 public:
  // Takes a connection (non-blocking), and returns under which number it is from now on; -1: it has
  // been closed.
  using Handler = std::function<int(UniqueFd connection)>;

  // `listener` listens, and does not block.
  AcceptLoop(UniqueFd listener, size_t most_connections, Handler handler);
  // No more calls of the handler afterwards.
  ~AcceptLoop();
  AcceptLoop(const AcceptLoop&) = delete;
  AcceptLoop& operator=(const AcceptLoop&) = delete;

  absl::Status Start();
  // Connections that were turned away since the start.
  uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }

 private:
  void Run();

  const UniqueFd listener_;
  const Handler handler_;
  OpenConnections open_;  // of the thread
  std::atomic<uint64_t> refused_{0};
  UniqueFd stop_;  // an eventfd: readable when the thread is to end
  std::thread thread_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_SERVER_ACCEPT_LOOP_H_
