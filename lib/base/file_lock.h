// A lock on an open file that one process at a time has, and what its absence means.
//
// Stateless; any thread.
#ifndef GUIDEWAY_LIB_BASE_FILE_LOCK_H_
#define GUIDEWAY_LIB_BASE_FILE_LOCK_H_

#include <sys/file.h>

#include <cerrno>

namespace guideway {

// Locks it as long as it is open, without waiting. 0: locked; EWOULDBLOCK: somebody else has it.
// Any other errno says that the file system has no lock to give (ENOLCK, or EBADF of a read-only
// one over the network, ENOSYS and EOPNOTSUPP of one in user space), and nothing of anybody else.
inline int TryToLock(int fd) {
  while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

}  // namespace guideway

#endif  // GUIDEWAY_LIB_BASE_FILE_LOCK_H_
