#include "dataplane/flows/flow_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "lib/base/clock.h"
#include "lib/base/file_lock.h"
#include "lib/base/regular_file.h"
#include "lib/base/status.h"

namespace guideway {
namespace {

namespace fs = std::filesystem;

// A table of the last run whose place is no worker's, in ordinary memory.
struct LeftTable {
  std::string path;
  uint32_t index = 0;  // of the worker that had it
  size_t file_bytes = 0;
  size_t table_bytes = 0;
  std::unique_ptr<void, decltype(&std::free)> copy{nullptr, &std::free};
};

struct Found {
  std::string name;
  std::string path;
  uint32_t index = 0;    // of a worker
  bool own_name = true;  // "flows-N"; else "flows-N-left-M", set aside by an interrupted start
  UniqueFd file;         // locked
  size_t file_bytes = 0;
  FlowTableHead head;
};

// "flows-3" or "flows-3-left-0".
bool ParseName(const std::string& name, Found* found) {
  constexpr char kPrefix[] = "flows-";
  constexpr size_t kPrefixBytes = sizeof(kPrefix) - 1;
  if (name.compare(0, kPrefixBytes, kPrefix) != 0) return false;
  const size_t end = name.find_first_not_of("0123456789", kPrefixBytes);
  const std::string digits = name.substr(kPrefixBytes, end - kPrefixBytes);
  if (digits.empty() || digits.size() > 4) return false;
  found->index = static_cast<uint32_t>(std::stoul(digits));
  found->own_name = end == std::string::npos;
  return found->own_name || name.compare(end, 6, "-left-") == 0;
}

class Opener {
 public:
  explicit Opener(const FlowFilesOptions& options) : options_(options) {}

  absl::StatusOr<FlowFiles> Open();

 private:
  absl::Status Find();
  absl::Status Look(Found found);
  absl::Status ClearPlace(const Found& found, const struct stat& info, int error);
  // Nothing if the table's flows are good; else what is wrong, for a sentence about the file.
  std::optional<std::string> WhyDead(const Found& found) const;
  bool StaysInPlace(const Found& found) const;
  absl::Status SetAside();
  absl::Status Copy(const Found& found, const std::string& path);
  std::string FreePath(const Found& found) const;
  absl::Status Map();
  absl::Status TryToMap();
  void RemoveLeft();
  absl::Status PutBack();
  absl::Status Attach();
  void Inherit(const LeftTable& left);
  void Stamp();

  const FlowFilesOptions& options_;
  std::vector<Found> found_;
  std::vector<LeftTable> left_;
  std::vector<std::string> damaged_;  // files that were set aside and may hold memory
  std::vector<std::string> cleared_;  // by worker: why its file, which is used again, is emptied
  std::vector<bool> in_place_;        // by worker: its file was there, in the right size
  uint64_t last_run_ = 0;
  bool last_run_is_complete_ = false;
  FlowFiles out_;
};

absl::StatusOr<FlowFiles> Opener::Open() {
  GW_RETURN_IF_ERROR(CheckFlowDirectory(options_.directory));
  GW_RETURN_IF_ERROR(Find());
  GW_RETURN_IF_ERROR(SetAside());
  GW_RETURN_IF_ERROR(Map());
  GW_RETURN_IF_ERROR(Attach());
  for (const LeftTable& left : left_) Inherit(left);
  if (options_.workers == 1) out_.tables[0]->OwnAll();
  Stamp();
  RemoveLeft();
  return std::move(out_);
}

absl::Status Opener::Find() {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(options_.directory, error)) {
    Found found;
    found.name = entry.path().filename().string();
    found.path = entry.path().string();
    if (!ParseName(found.name, &found)) continue;
    GW_RETURN_IF_ERROR(Look(std::move(found)));
  }
  if (error) return ErrnoStatus(error.value(), absl::StrCat("reading ", options_.directory));
  // So that what becomes of them does not depend on the directory's order.
  std::sort(found_.begin(), found_.end(), [](const Found& a, const Found& b) {
    return std::make_pair(a.index, a.name) < std::make_pair(b.index, b.name);
  });
  for (const Found& found : found_) {
    const FlowTableHead& head = found.head;
    if (!head.is_table || !head.this_layout || head.stamp.boot != options_.boot) continue;
    if (head.stamp.run < last_run_) continue;
    if (head.stamp.run > last_run_) last_run_is_complete_ = false;
    last_run_ = head.stamp.run;
    last_run_is_complete_ |= head.stamp.complete;
  }
  return absl::OkStatus();
}

absl::Status Opener::Look(Found found) {
  // A FIFO must not be waited for.
  found.file =
      UniqueFd(open(found.path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  const int error = found.file.valid() ? 0 : errno;
  struct stat info {};
  if (lstat(found.path.c_str(), &info) != 0) return absl::OkStatus();  // gone meanwhile
  if (error != 0 || fstat(found.file.get(), &info) != 0 || !S_ISREG(info.st_mode) ||
      info.st_uid != geteuid()) {
    if (error == EMFILE || error == ENFILE || error == ENOMEM)
      return ErrnoStatus(error, found.path);
    if (found.own_name && found.index < options_.workers) return ClearPlace(found, info, error);
    out_.notes.push_back(absl::StrCat(found.path, ": not a file of ours, left alone"));
    return absl::OkStatus();
  }
  // That there are no locks is said once the worker's own file is mapped.
  if (TryToLock(found.file.get()) == EWOULDBLOCK) return InUse(found.path);
  found.file_bytes = static_cast<size_t>(info.st_size);
  FlowTableHead::Bytes bytes = {};
  const ssize_t read = pread(found.file.get(), bytes, sizeof(bytes), 0);
  if (read == static_cast<ssize_t>(sizeof(bytes))) found.head = FlowTable::ReadHead(bytes);
  found_.push_back(std::move(found));
  return absl::OkStatus();
}

// The tables are a cache: one whose place is taken begins empty, and forwarding does not wait for
// somebody to look at what is there.
absl::Status Opener::ClearPlace(const Found& found, const struct stat& info, int open_error) {
  const bool regular = S_ISREG(info.st_mode);
  if (regular && found.file.valid() && TryToLock(found.file.get()) == EWOULDBLOCK)
    return InUse(found.path);
  const std::string what = !regular                   ? WhatIsInThePlaceOf(found.path, false)
                           : info.st_uid != geteuid() ? absl::StrCat("of user ", info.st_uid)
                                                      : std::strerror(open_error);
  const std::string trouble = absl::StrCat(found.path, " cannot be used (", what, "): ");
  // An older one is replaced, unless one of both is a directory.
  constexpr int kMostNames = 10;
  std::string aside = found.path + ".damaged";
  int error = rename(found.path.c_str(), aside.c_str()) == 0 ? 0 : errno;
  for (int number = 2; error != 0 && number <= kMostNames; ++number) {
    aside = absl::StrCat(found.path, ".damaged-", number);
    error = rename(found.path.c_str(), aside.c_str()) == 0 ? 0 : errno;
  }
  if (error != 0) return ErrnoStatus(error, absl::StrCat(trouble, "renaming it to ", aside));
  out_.warnings.push_back(
      absl::StrCat(trouble, "renamed to ", aside, "; the worker's flow table begins empty"));
  if (regular) damaged_.push_back(aside);
  return absl::OkStatus();
}

std::optional<std::string> Opener::WhyDead(const Found& found) const {
  const FlowTableHead& head = found.head;
  if (!head.is_table) return "no flow table, or one that was not finished";
  if (!head.this_layout)
    return absl::StrCat("layout version ", head.layout_version, " is another release's");
  if (head.bytes_needed > found.file_bytes) return "damaged: shorter than it says";
  if (head.stamp.run == 0) return "of no run, or of a start that was interrupted";
  if (head.stamp.boot != options_.boot) return "from before the last boot";
  const bool of_last_run =
      head.stamp.run == last_run_ || (!last_run_is_complete_ && head.stamp.run + 1 == last_run_);
  if (!of_last_run)
    return absl::StrCat("of run ", head.stamp.run, ", and the last one was ", last_run_);
  return std::nullopt;
}

bool Opener::StaysInPlace(const Found& found) const {
  return found.own_name && found.index < options_.workers &&
         found.file_bytes == FlowFileBytes(options_.directory, options_.table_bytes) &&
         (found.head.bytes_needed == options_.table_bytes || WhyDead(found).has_value());
}

absl::Status Opener::SetAside() {
  cleared_.resize(options_.workers);
  in_place_.resize(options_.workers);
  for (Found& found : found_) {
    const std::optional<std::string> dead =
        options_.forget ? std::optional<std::string>("flows forgotten") : WhyDead(found);
    if (StaysInPlace(found)) {
      if (dead.has_value()) cleared_[found.index] = *dead;
      in_place_[found.index] = true;
      found.file.reset();  // the lock is the mapping's
    } else if (dead.has_value()) {
      out_.notes.push_back(absl::StrCat(found.path, ": removed, ", *dead));
      if (unlink(found.path.c_str()) != 0)
        return ErrnoStatus(errno, absl::StrCat("removing ", found.path));
    } else {
      const bool in_the_way = found.own_name && found.index < options_.workers;
      const std::string path = in_the_way ? FreePath(found) : found.path;
      GW_RETURN_IF_ERROR(Copy(found, path));
      if (in_the_way && rename(found.path.c_str(), path.c_str()) != 0)
        return ErrnoStatus(errno, absl::StrCat("renaming ", found.path));
    }
  }
  return absl::OkStatus();
}

std::string Opener::FreePath(const Found& found) const {
  for (int number = 0;; ++number) {
    const std::string path = absl::StrCat(found.path, "-left-", number);
    if (access(path.c_str(), F_OK) != 0) return path;
  }
}

absl::Status Opener::Copy(const Found& found, const std::string& path) {
  LeftTable left{.path = path,
                 .index = found.index,
                 .file_bytes = found.file_bytes,
                 .table_bytes = found.head.bytes_needed};
  left.copy.reset(std::aligned_alloc(kCacheLineBytes, left.table_bytes));
  if (left.copy == nullptr)
    return absl::ResourceExhaustedError(absl::StrCat("no memory to read ", found.path));
  auto* to = static_cast<uint8_t*>(left.copy.get());
  for (size_t at = 0; at < left.table_bytes;) {
    const ssize_t read =
        pread(found.file.get(), to + at, left.table_bytes - at, static_cast<off_t>(at));
    if (read < 0 && errno == EINTR) continue;
    if (read <= 0) return ErrnoStatus(read < 0 ? errno : EIO, absl::StrCat("reading ", found.path));
    at += static_cast<size_t>(read);
  }
  left_.push_back(std::move(left));
  return absl::OkStatus();
}

absl::Status Opener::TryToMap() {
  out_.memories.clear();
  for (uint32_t i = 0; i < options_.workers; ++i) {
    GW_ASSIGN_OR_RETURN(FlowMemory memory,
                        FlowMemory::Map(options_.directory, i, options_.table_bytes));
    out_.memories.push_back(std::move(memory));
  }
  return absl::OkStatus();
}

// There may be room for the new tables only where the old ones stand.
absl::Status Opener::Map() {
  const absl::Status first = TryToMap();
  if (first.ok() || (left_.empty() && damaged_.empty())) return first;
  RemoveLeft();
  for (const std::string& path : damaged_) {
    if (unlink(path.c_str()) == 0)
      out_.warnings.push_back(absl::StrCat(path, ": removed to make room"));
  }
  const absl::Status second = TryToMap();
  if (second.ok()) return second;
  out_.memories.clear();
  for (uint32_t i = 0; i < options_.workers; ++i) {
    if (!in_place_[i]) unlink(absl::StrCat(options_.directory, "/flows-", i).c_str());
  }
  const absl::Status put_back = PutBack();
  return put_back.ok() ? second : put_back;
}

void Opener::RemoveLeft() {
  found_.clear();  // and their locks
  for (const LeftTable& left : left_) {
    if (unlink(left.path.c_str()) != 0 && errno != ENOENT)
      out_.warnings.push_back(
          absl::StrCat(left.path, ": cannot be removed: ", std::strerror(errno)));
  }
}

absl::Status Opener::PutBack() {
  for (const LeftTable& left : left_) {
    GW_ASSIGN_OR_RETURN(const FlowMemory memory, FlowMemory::MapFile(left.path, left.file_bytes));
    std::memcpy(memory.data(), left.copy.get(), left.table_bytes);
  }
  return absl::OkStatus();
}

absl::Status Opener::Attach() {
  for (uint32_t i = 0; i < options_.workers; ++i) {
    const std::string& unlocked = out_.memories[i].lock_problem();
    if (!unlocked.empty()) out_.warnings.push_back(unlocked);
    auto table = std::make_unique<FlowTable>();
    bool kept = false;
    GW_RETURN_IF_ERROR(table->Attach(out_.memories[i].data(), options_.table_bytes, &kept));
    const bool clear = kept && !cleared_[i].empty();
    if (clear) {
      table->Clear(/*key_digest=*/0);
      table->SetStamp({});
    }
    const std::string what = !cleared_[i].empty() ? absl::StrCat("empty: ", cleared_[i])
                             : kept               ? "flows kept"
                                                  : "empty";
    out_.notes.push_back(absl::StrCat("worker ", i, ": flow table for ", table->capacity(),
                                      " flows in ", options_.directory, ", ",
                                      options_.forget && clear ? "flows forgotten" : what));
    out_.tables.push_back(std::move(table));
  }
  return absl::OkStatus();
}

// Into the table of some worker: which one will get a flow's packets cannot be known, and all ask
// each other.
void Opener::Inherit(const LeftTable& left) {
  FlowTable from;
  bool kept = false;
  if (!from.Attach(left.copy.get(), left.table_bytes, &kept).ok() || !kept) {
    out_.warnings.push_back(absl::StrCat(left.path, ": damaged, its flows are lost"));
    return;
  }
  uint64_t entered = 0, lost = 0, other_key = 0;
  const auto enter = [&](uint64_t hash, BackendId backend, FlowState state, uint32_t left_s) {
    bool same_key = false;
    for (uint32_t i = 0; i < options_.workers; ++i) {
      FlowTable& table = *out_.tables[(left.index + i) % options_.workers];
      if (table.key_digest() == 0) table.Clear(from.key_digest());
      if (table.key_digest() != from.key_digest()) continue;
      same_key = true;
      const FlowInsert result = table.InheritFlow(hash, backend, state, left_s, options_.now_s);
      if (result == FlowInsert::kFull) continue;
      ++(result == FlowInsert::kEvicted ? lost : entered);
      return;
    }
    ++(same_key ? lost : other_key);
  };
  from.ForEachLive(options_.now_s, enter);
  out_.notes.push_back(absl::StrCat(left.path, ": ", entered, " flows handed on"));
  if (lost > 0) out_.warnings.push_back(absl::StrCat(left.path, ": no room for ", lost, " flows"));
  if (other_key > 0)
    out_.warnings.push_back(
        absl::StrCat(left.path, ": ", other_key, " flows are of another hash key and lost"));
}

void Opener::Stamp() {
  FlowTableStamp stamp{.run = last_run_ + 1, .boot = options_.boot, .complete = false};
  for (const auto& table : out_.tables) table->SetStamp(stamp);
  stamp.complete = true;
  for (const auto& table : out_.tables) table->SetStamp(stamp);
}

}  // namespace

absl::StatusOr<FlowFiles> OpenFlowFiles(const FlowFilesOptions& options) {
  return Opener(options).Open();
}

absl::StatusOr<uint64_t> BootNumber() {
  std::string text = BootId();
  text.erase(std::remove(text.begin(), text.end(), '-'), text.end());
  if (text.size() != 32 || text.find_first_not_of("0123456789abcdef") != std::string::npos)
    return absl::UnavailableError("/proc/sys/kernel/random/boot_id: cannot be read");
  return std::stoull(text.substr(0, 16), nullptr, 16);
}

}  // namespace guideway
