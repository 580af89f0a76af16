// Which VIP has which index, kept on disk: the data plane counts by index, and a counter must not
// fall because the control plane was restarted after a change.
//
// A VIP that left the configuration keeps its index, and so its counters, until kFormer others have
// left after it or the index is needed. If what is kept is lost (which takes damage to both of its
// files, see KeptState) VIPs get new indices and count anew. Thread safety: one thread.
//
// What is kept is text, one record a line; LEFT: 0, in the configuration; else a number that grows:
//   guideway-vip-indices 1
//   INDEX LEFT NAME
#ifndef GUIDEWAY_CONTROLPLANE_COMPILER_VIP_REGISTRY_H_
#define GUIDEWAY_CONTROLPLANE_COMPILER_VIP_REGISTRY_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "controlplane/compiler/index_pool.h"
#include "controlplane/state_file.h"

namespace guideway {

class VipRegistry {
 public:
  static constexpr size_t kFormer = 256;

  // Where it is kept: DIRECTORY/vip-indices.
  static KeptState StateIn(const std::string& directory);
  // Replaces everything by what is kept. That there is nothing is no error and changes nothing;
  // what cannot be used is named and changes nothing.
  absl::Status Load(KeptState* state);
  // Keeps it if something has changed since the last Load() or Save().
  absl::Status Save(KeptState* state);
  // The same in parts: while dirty(), KeptState::Write() of Print() on any thread, then SetSaved().
  bool dirty() const { return dirty_; }
  std::string Print() const;
  void SetSaved() { dirty_ = false; }
  // What was saved is gone.
  void SetLost() { dirty_ = true; }

  // These are the VIPs of the configuration now, at most channel::kMaxVips.
  void Retain(const std::set<std::string>& names);
  // The index of one of them.
  uint32_t Use(const std::string& name);

 private:
  struct Record {
    uint32_t index = 0;
    uint64_t left = 0;  // 0: in the configuration
  };
  absl::Status Parse(const std::string& text);
  void ForgetOldest();

  std::map<std::string, Record> records_;
  IndexPool indices_;
  size_t former_ = 0;  // records that have left
  uint64_t last_left_ = 0;
  bool dirty_ = false;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_COMPILER_VIP_REGISTRY_H_
