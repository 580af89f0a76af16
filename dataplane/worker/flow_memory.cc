#include "dataplane/worker/flow_memory.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <utility>

#include "lib/base/status.h"

namespace guideway {
namespace {

// The unit in which the file system hands out memory: the huge page on hugetlbfs, else 2 MiB, which
// lets tmpfs use transparent huge pages.
size_t AllocationUnit(const std::string& directory) {
  constexpr size_t kHugePageBytes = size_t{2} << 20;
  struct statfs info {};
  if (statfs(directory.c_str(), &info) == 0 && info.f_type == HUGETLBFS_MAGIC) {
    return static_cast<size_t>(info.f_bsize);
  }
  return kHugePageBytes;
}

// A directory that only we (or root) can put files into.
absl::Status CheckDirectory(const std::string& directory) {
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, absl::StrCat("--flow_table_directory=", directory, ": creating it"));
  }
  struct stat info {};
  if (lstat(directory.c_str(), &info) != 0) {
    return ErrnoStatus(errno, absl::StrCat("--flow_table_directory=", directory));
  }
  if (!S_ISDIR(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat("--flow_table_directory=", directory, ": not a directory"));
  }
  if ((info.st_uid != geteuid() && info.st_uid != 0) || (info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return absl::PermissionDeniedError(
        absl::StrCat("--flow_table_directory=", directory,
                     ": belongs to somebody else or is writable by others"));
  }
  return absl::OkStatus();
}

// Sizes the file and makes sure that the memory is really there: a page that is missing later would
// be a SIGBUS in a worker.
absl::Status Reserve(int file, const std::string& path, size_t bytes) {
  struct stat info {};
  if (fstat(file, &info) != 0) return ErrnoStatus(errno, absl::StrCat("stat ", path));
  if (!S_ISREG(info.st_mode) || info.st_uid != geteuid()) {
    return absl::PermissionDeniedError(absl::StrCat(path, ": not a file of ours"));
  }
  // Through zero, so that no old flow survives in a table of another size.
  if (static_cast<size_t>(info.st_size) != bytes && ftruncate(file, 0) != 0) {
    return ErrnoStatus(errno, absl::StrCat("emptying ", path));
  }
  const int error = posix_fallocate(file, 0, static_cast<off_t>(bytes));
  if (error == 0) return absl::OkStatus();
  if (static_cast<size_t>(info.st_size) != bytes) unlink(path.c_str());
  return ErrnoStatus(error, absl::StrCat("reserving ", bytes >> 20, " MiB for ", path,
                                         " (lower --flows, or more free hugepages)"));
}

}  // namespace

absl::StatusOr<FlowMemory> FlowMemory::Map(const std::string& directory, uint32_t worker,
                                           size_t bytes) {
  GW_RETURN_IF_ERROR(CheckDirectory(directory));
  const std::string path = absl::StrCat(directory, "/flows-", worker);
  FlowMemory memory;
  memory.file_ = UniqueFd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!memory.file_.valid()) return ErrnoStatus(errno, absl::StrCat("opening ", path));
  if (flock(memory.file_.get(), LOCK_EX | LOCK_NB) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(path,
                     " is in use by another data plane; give each one a directory of its own "
                     "with --flow_table_directory"));
  }
  const size_t unit = AllocationUnit(directory);
  memory.mapped_bytes_ = (bytes + unit - 1) / unit * unit;
  GW_RETURN_IF_ERROR(Reserve(memory.file_.get(), path, memory.mapped_bytes_));
  void* data = mmap(nullptr, memory.mapped_bytes_, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_POPULATE, memory.file_.get(), 0);
  if (data == MAP_FAILED) {
    return ErrnoStatus(errno, absl::StrCat("mapping ", memory.mapped_bytes_ >> 20, " MiB of ", path,
                                           " (enough free hugepages?)"));
  }
  memory.data_ = data;
  return memory;
}

FlowMemory::FlowMemory(FlowMemory&& other) noexcept
    : file_(std::move(other.file_)),
      data_(std::exchange(other.data_, nullptr)),
      mapped_bytes_(std::exchange(other.mapped_bytes_, 0)) {}

FlowMemory::~FlowMemory() {
  if (data_ != nullptr) munmap(data_, mapped_bytes_);
}

}  // namespace guideway
