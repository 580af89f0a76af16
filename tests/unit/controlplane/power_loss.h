// A disk that loses power: what is not synced may be there afterwards, or not, or in part.
//
// Works on the real files, and holds those of one folder in memory as they are seen (`now`) and as
// they are sure to survive (`durable`). After `steps` operations the power is gone: nothing has an
// effect any more.
#ifndef GUIDEWAY_TESTS_UNIT_CONTROLPLANE_POWER_LOSS_H_
#define GUIDEWAY_TESTS_UNIT_CONTROLPLANE_POWER_LOSS_H_

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/state_file.h"

namespace guideway {

class PowerLoss : public FileOperations {
 public:
  using Files = std::map<std::string, std::string>;  // content by path

  PowerLoss(const Files& files, int steps) : steps_(steps) {
    for (const auto& [path, content] : files) {
      now_[path] = durable_[path] = std::make_shared<Inode>(Inode{content, content});
    }
  }

  // From now on so many operations more.
  void CountFromHere(int steps) { steps_ = steps; }
  bool power_lost() const { return steps_ < 0; }

  // What may be on the disk now: names and content that were not synced, each lost or not; and half
  // of what was written.
  std::vector<Files> Outcomes() const {
    std::vector<Files> outcomes;
    for (const auto* names : {&durable_, &now_}) {
      for (const int how : {0, 1, 2}) {
        Files files;
        for (const auto& [path, inode] : *names) {
          const std::string& written = inode->now;
          files[path] = how == 0                    ? inode->durable
                        : how == 1                  ? written
                        : written == inode->durable ? written
                                                    : written.substr(0, written.size() / 2);
        }
        outcomes.push_back(files);
      }
    }
    return outcomes;
  }

  int OpenForWriting(const std::string& path) override {
    if (!Step()) return -1;
    const int fd = FileOperations::OpenForWriting(path);
    if (!now_.contains(path)) now_[path] = std::make_shared<Inode>();
    now_[path]->now.clear();
    open_[fd] = now_[path];
    return fd;
  }
  ssize_t Write(int fd, const char* data, size_t bytes) override {
    if (!Step()) return -1;
    // In pieces, so that there are more steps to lose the power at.
    const size_t piece = std::min<size_t>(bytes, 400);
    open_[fd]->now.append(data, piece);
    return FileOperations::Write(fd, data, piece);
  }
  int Sync(int fd) override {
    if (!Step()) return -1;
    if (const auto file = open_.find(fd); file != open_.end()) {
      file->second->durable = file->second->now;
    } else {
      durable_ = now_;  // the folder
    }
    return 0;
  }
  int Rename(const std::string& from, const std::string& to) override {
    if (!Step()) return -1;
    now_[to] = now_[from];
    now_.erase(from);
    return FileOperations::Rename(from, to);
  }
  int Remove(const std::string& path) override {
    if (!Step()) return -1;
    now_.erase(path);
    return FileOperations::Remove(path);
  }
  int OpenDirectory(const std::string& path) override {
    return Step() ? FileOperations::OpenDirectory(path) : -1;
  }
  void Close(int fd) override {
    open_.erase(fd);
    FileOperations::Close(fd);
  }

 private:
  struct Inode {
    std::string now;
    std::string durable;
  };
  bool Step() {
    if (steps_ >= 0) --steps_;
    if (steps_ >= 0) return true;
    errno = EIO;
    return false;
  }

  int steps_;
  std::map<std::string, std::shared_ptr<Inode>> now_;
  std::map<std::string, std::shared_ptr<Inode>> durable_;
  std::map<int, std::shared_ptr<Inode>> open_;  // by descriptor
};

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_CONTROLPLANE_POWER_LOSS_H_
