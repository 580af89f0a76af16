// Which backend has which index and incarnation, kept on disk so that restarts move no flow.
//
// Flows remember a backend by index and incarnation. An index is given to another backend only
// with the next incarnation, so a stale flow never matches. A backend that left the configuration
// lingers: it keeps its index (and the tables keep its flows going) while it has flows, for
// kShortestLinger at least (another node may still send some here), and no longer than the
// configured limit. A backend with the same address and delivery that comes meanwhile, under
// whatever name and in whatever pool, is the same one: it gets that index and incarnation, and so
// the flows. If what is kept is lost (which takes damage to both of its files, see KeptState),
// incarnations start from a random value.
//
// Times are monotonic, of EventLoop::Now(): they go on over a restart of this process; after one of
// the host a lingering backend begins anew. Thread safety: one thread.
//
// What is kept is text, one record a line:
//   guideway-backend-indices 2
//   boot ID                                                    of the kernel whose clock it is
//   first INCARNATION                                          of indices that were never used
//   free INDEX INCARNATION                                     the last one used
//   used INDEX INCARNATION KEEPS DELIVERY REMOVED_MS KEY       0: not removed; see delivery.h
// KEEPS: known flows; of who is not removed: not disabled.
// Version 1 has no boot line and wall clock times.
#ifndef GUIDEWAY_CONTROLPLANE_COMPILER_BACKEND_REGISTRY_H_
#define GUIDEWAY_CONTROLPLANE_COMPILER_BACKEND_REGISTRY_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controlplane/compiler/delivery.h"
#include "controlplane/compiler/index_pool.h"
#include "controlplane/state_file.h"
#include "lib/channel/messages.h"
#include "lib/net/address.h"

namespace guideway {

// "pool/name/address": a backend as the control plane names it.
std::string BackendKey(const std::string& pool, const std::string& name,
                       const std::string& address);

class BackendRegistry {
 public:
  struct Record {
    uint16_t index = 0;
    uint16_t incarnation = 0;  // never 0
    bool keeps_known_flows = true;
    bool disabled = false;  // by the operator, when it was in the configuration
    Delivery delivery;
    IpAddress address;
    absl::Duration removed_at = absl::InfiniteDuration();   // that: it is in the configuration
    absl::Duration empty_since = absl::InfiniteDuration();  // that: it has flows, or nobody knows
    bool lingers() const { return removed_at != absl::InfiniteDuration(); }
  };

  static constexpr absl::Duration kShortestLinger = absl::Minutes(5);
  // A data plane that has just started has counted all its flows by then.
  static constexpr absl::Duration kEmptyFor = absl::Seconds(20);
  // Flows of a backend in the flow tables; nullopt: not known.
  using CountFlows = std::function<std::optional<uint64_t>(uint16_t index)>;

  // Incarnations start from `first_incarnation` (not 0); a random one outside of tests.
  explicit BackendRegistry(uint16_t first_incarnation);

  // Where the registry is kept: DIRECTORY/backend-indices, also as releases without checksum left
  // it.
  static KeptState StateIn(const std::string& directory);
  // Replaces everything by what is kept. That there is nothing is no error and changes nothing;
  // what cannot be used is named (DataLoss, or InvalidArgument with the line) and changes nothing.
  // `boot`: of this kernel.
  absl::Status Load(KeptState* state, absl::Duration now, const std::string& boot);
  // Keeps it if something has changed since the last Load() or Save().
  absl::Status Save(KeptState* state);
  // The same in parts, since it takes long: while dirty(), the text by PrintPart(), which goes on
  // behind the key `after` by at most `count` records and returns the key to go on from (nullopt:
  // all is in); then KeptState::Write() on any thread, and SetSaved().
  bool dirty() const { return dirty_; }
  // Load() has found something.
  bool was_kept() const { return was_kept_; }
  std::optional<std::string> PrintPart(const std::string& after, size_t count,
                                       std::string* text) const;
  void SetSaved() { dirty_ = false; }
  // What was saved is gone.
  void SetLost() { dirty_ = true; }

  // Puts the configuration's backends in force: whoever is not in `keys` begins to linger at `now`,
  // and whoever has lingered long enough, or for `limit`, is forgotten.
  void Retain(const std::set<std::string>& keys, absl::Duration now, absl::Duration limit);
  // The same for at most `count` records behind the key `after` (empty: from the first one).
  // Returns the key to go on from; nullopt: all are done.
  std::optional<std::string> RetainPart(const std::set<std::string>& keys, absl::Duration now,
                                        absl::Duration limit, const std::string& after,
                                        size_t count);
  // The record of a backend of the configuration; allocates an index or revives a lingering one. If
  // all are taken one that lingers gives way: first those without flows, then who has done so
  // longest. ResourceExhausted: none does.
  absl::StatusOr<Record*> Use(const std::string& key, const IpAddress& address,
                              const Delivery& delivery);

  // `key` must be there. Of who is in the configuration the file has `disabled` alone: the rest
  // changes with health, which has a file of its own.
  void SetKeepsKnownFlows(const std::string& key, bool keeps, bool disabled) {
    Record& record = records_.at(key);
    record.keeps_known_flows = keeps;
    if (std::exchange(record.disabled, disabled) != disabled) dirty_ = true;
  }

  // By key: those in the configuration and those that linger.
  const std::map<std::string, Record>& records() const { return records_; }
  // Another number, not 0, whenever a record has come or gone since the process began.
  uint64_t membership() const { return membership_; }
  size_t lingering_count() const;
  // Calls `visit(record)` for each that lingers; costs what they are, not what there is.
  template <typename Visit>
  void ForEachLingering(Visit visit) const {
    for (const auto& [address, key] : lingering_) {
      const auto found = records_.find(key);
      if (found != records_.end() && found->second.lingers()) visit(found->second);
    }
  }
  // Notes who of those that linger has no flows. True: somebody has lingered long enough.
  bool ObserveFlows(const CountFlows& count, absl::Duration now);
  // The counts that come are another data plane's.
  void ForgetCounts();
  // When the next lingering backend is to be forgotten if no flows are observed;
  // InfiniteDuration(): never.
  absl::Duration NextExpiry(absl::Duration limit) const;
  // Who had to give way although it had flows, or nobody knew: how many, the last one's key, when.
  struct Evictions {
    uint64_t count = 0;
    std::string last_key;
    absl::Duration last_at = -absl::InfiniteDuration();
  };
  const Evictions& evictions() const { return evictions_; }

 private:
  absl::Status Parse(const std::string& text);
  absl::Status ParseHead(const std::vector<std::string>& lines, size_t* first_record);
  absl::Status ParseLine(const std::vector<std::string>& words);
  void Free(std::map<std::string, Record>::iterator record);
  bool HasLingeredEnough(const Record& record, absl::Duration limit) const;
  Record* Adopt(const std::string& key, const IpAddress& address, const Delivery& delivery);
  bool MakeRoom();

  uint16_t first_incarnation_;
  std::map<std::string, Record> records_;
  uint64_t membership_ = 1;
  IndexPool indices_;
  std::map<uint16_t, uint16_t> last_incarnation_;  // of free indices that were used before
  // Keys of those that linger, and of some that did at the last Retain() or Load().
  std::multimap<IpAddress, std::string> lingering_;
  std::string boot_ = "-";  // of the clock
  bool same_clock_ = true;  // while parsing: the file's times are of this clock
  absl::Duration now_;      // of the last Retain() or Load()
  Evictions evictions_;
  bool dirty_ = false;
  bool was_kept_ = false;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_COMPILER_BACKEND_REGISTRY_H_
