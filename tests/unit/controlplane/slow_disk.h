// A disk whose fsync does not come back until the test says so.
#ifndef GUIDEWAY_TESTS_UNIT_CONTROLPLANE_SLOW_DISK_H_
#define GUIDEWAY_TESTS_UNIT_CONTROLPLANE_SLOW_DISK_H_

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "controlplane/state_file.h"

namespace guideway {

class SlowDisk : public FileOperations {
 public:
  // From now on whoever syncs waits.
  void Hang() { Set(true); }
  void GoOn() { Set(false); }
  // Until somebody waits; false if nobody does for 20 s.
  bool AwaitSync() {
    std::unique_lock<std::mutex> lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [this] { return waiting_; });
  }

  int Sync(int fd) override {
    std::unique_lock<std::mutex> lock(mutex_);
    waiting_ = hangs_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !hangs_; });
    waiting_ = false;
    return FileOperations::Sync(fd);
  }

 private:
  void Set(bool hangs) {
    const std::lock_guard<std::mutex> lock(mutex_);
    hangs_ = hangs;
    changed_.notify_all();
  }

  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  bool hangs_ = false;
  bool waiting_ = false;
};

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_CONTROLPLANE_SLOW_DISK_H_
