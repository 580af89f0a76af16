// See accept_loop.h.
#include "controlplane/server/accept_loop.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "lib/base/start_thread.h"
#include "lib/base/status.h"

namespace guideway {
namespace {

// Without a free descriptor a connection waits in the backlog, and this long between tries.
constexpr int kPauseMs = 100;

}  // namespace

ino_t InodeOf(int fd) {
  struct stat info {};
  return fstat(fd, &info) == 0 && S_ISSOCK(info.st_mode) ? info.st_ino : 0;
}

bool OpenConnections::HasRoom() {
  if (open_.size() < most_) return true;
  std::erase_if(open_, [](const Open& open) { return InodeOf(open.fd) != open.inode; });
  return open_.size() < most_;
}

AcceptLoop::AcceptLoop(UniqueFd listener, size_t most_connections, Handler handler)
    : listener_(std::move(listener)), handler_(std::move(handler)), open_(most_connections) {}

absl::Status AcceptLoop::Start() {
  stop_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop_.valid()) return ErrnoStatus(errno, "eventfd");
  return StartThread([this] { Run(); }, &thread_);
}

AcceptLoop::~AcceptLoop() {
  if (!thread_.joinable()) return;
  const uint64_t one = 1;
  if (write(stop_.get(), &one, sizeof(one)) == sizeof(one)) thread_.join();
}

void AcceptLoop::Run() {
  for (;;) {
    pollfd waiting[] = {{stop_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    if (poll(waiting, 2, -1) < 0) continue;  // a signal
    if (waiting[0].revents != 0) return;
    UniqueFd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!connection.valid()) {
      if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) poll(waiting, 1, kPauseMs);
      continue;
    }
    if (!open_.HasRoom()) {
      refused_.fetch_add(1, std::memory_order_relaxed);
      continue;
    }
    const ino_t inode = InodeOf(connection.get());
    const int number = handler_(std::move(connection));
    if (number >= 0) open_.Add(number, inode);
  }
}

}  // namespace guideway
