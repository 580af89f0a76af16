// Names of pools in the order in which they came, each once.
#ifndef GUIDEWAY_CONTROLPLANE_COMPILER_POOL_QUEUE_H_
#define GUIDEWAY_CONTROLPLANE_COMPILER_POOL_QUEUE_H_

#include <deque>
#include <set>
#include <string>
#include <utility>

namespace guideway {

// Thread safety: one thread.
class PoolQueue {
 public:
  // One that waits already keeps its place.
  void Add(const std::string& pool) {
    if (waiting_.insert(pool).second) order_.push_back(pool);
  }
  // The one that has waited longest. The queue must not be empty.
  std::string Take() {
    std::string pool = std::move(order_.front());
    order_.pop_front();
    waiting_.erase(pool);
    return pool;
  }
  // Its turn is over before it came.
  void Remove(const std::string& pool) {
    if (waiting_.erase(pool) != 0) std::erase(order_, pool);
  }
  bool empty() const { return order_.empty(); }
  void Clear() {
    order_.clear();
    waiting_.clear();
  }

 private:
  std::deque<std::string> order_;
  std::set<std::string> waiting_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_COMPILER_POOL_QUEUE_H_
