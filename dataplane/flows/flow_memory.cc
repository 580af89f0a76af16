#include "dataplane/flows/flow_memory.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cstring>
#include <utility>

#include "lib/base/file_lock.h"
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

}  // namespace

absl::Status CheckFlowDirectory(const std::string& directory) {
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

namespace {

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

size_t FlowFileBytes(const std::string& directory, size_t bytes) {
  const size_t unit = AllocationUnit(directory);
  return (bytes + unit - 1) / unit * unit;
}

absl::Status InUse(const std::string& path) {
  return absl::FailedPreconditionError(
      absl::StrCat(path,
                   " is in use by another data plane; give each one a directory of its own "
                   "with --flow_table_directory"));
}

absl::StatusOr<FlowMemory> FlowMemory::Map(const std::string& directory, uint32_t worker,
                                           size_t bytes) {
  GW_RETURN_IF_ERROR(CheckFlowDirectory(directory));
  return MapFile(absl::StrCat(directory, "/flows-", worker), FlowFileBytes(directory, bytes));
}

absl::StatusOr<FlowMemory> FlowMemory::MapFile(const std::string& path, size_t bytes) {
  FlowMemory memory;
  // A FIFO must not be waited for.
  memory.file_ =
      UniqueFd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
  if (!memory.file_.valid()) return ErrnoStatus(errno, absl::StrCat("opening ", path));
  const int error = TryToLock(memory.file_.get());
  if (error == EWOULDBLOCK) return InUse(path);
  if (error != 0) {
    memory.lock_problem_ = absl::StrCat(path, ": cannot be locked: ", std::strerror(error));
  }
  memory.mapped_bytes_ = bytes;
  GW_RETURN_IF_ERROR(Reserve(memory.file_.get(), path, bytes));
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                    memory.file_.get(), 0);
  if (data == MAP_FAILED) {
    return ErrnoStatus(errno, absl::StrCat("mapping ", bytes >> 20, " MiB of ", path,
                                           " (enough free hugepages?)"));
  }
  memory.data_ = data;
  return memory;
}

FlowMemory::FlowMemory(FlowMemory&& other) noexcept
    : file_(std::move(other.file_)),
      lock_problem_(std::move(other.lock_problem_)),
      data_(std::exchange(other.data_, nullptr)),
      mapped_bytes_(std::exchange(other.mapped_bytes_, 0)) {}

FlowMemory& FlowMemory::operator=(FlowMemory&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(lock_problem_, other.lock_problem_);
  std::swap(data_, other.data_);
  std::swap(mapped_bytes_, other.mapped_bytes_);
  return *this;
}

FlowMemory::~FlowMemory() {
  if (data_ != nullptr) munmap(data_, mapped_bytes_);
}

}  // namespace guideway
