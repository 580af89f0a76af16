// Which backend has which index and incarnation, kept on disk so that restarts move no flow.
//
// Flows remember a backend by index and incarnation. An index is given to another backend only
// with the next incarnation, so a stale flow never matches. A backend that left the configuration
// lingers: it keeps its index (and the tables keep its flows going) until its time is up, and gets
// the same index and incarnation if it comes back before that. If what is kept is lost (which takes
// damage to both of its files, see KeptState), incarnations start from a random value. Thread
// safety: one thread.
//
// What is kept is text, one record a line:
//   guideway-backend-indices 1
//   first INCARNATION                                          of indices that were never used
//   free INDEX INCARNATION                                     the last one used
//   used INDEX INCARNATION KEEPS DELIVERY REMOVED_UNIX_MS KEY   0: not removed; see delivery.h
#ifndef GUIDEWAY_CONTROLPLANE_COMPILER_BACKEND_REGISTRY_H_
#define GUIDEWAY_CONTROLPLANE_COMPILER_BACKEND_REGISTRY_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controlplane/compiler/delivery.h"
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
    Delivery delivery;
    IpAddress address;
    absl::Time removed_at = absl::InfiniteFuture();  // InfiniteFuture(): in the configuration
    bool lingers() const { return removed_at != absl::InfiniteFuture(); }
  };

  // Incarnations start from `first_incarnation` (not 0); a random one outside of tests.
  explicit BackendRegistry(uint16_t first_incarnation);

  // Where the registry is kept: DIRECTORY/backend-indices, also as releases without checksum left
  // it.
  static KeptState StateIn(const std::string& directory);
  // Replaces everything by what is kept. That there is nothing is no error and changes nothing;
  // what cannot be used is named (DataLoss, or InvalidArgument with the line) and changes nothing.
  absl::Status Load(KeptState* state);
  // Keeps it if something has changed since the last Load() or Save().
  absl::Status Save(KeptState* state);

  // Puts the configuration's backends in force: whoever is not in `keys` begins to linger at `now`,
  // and whoever has lingered for `linger` is forgotten.
  void Retain(const std::set<std::string>& keys, absl::Time now, absl::Duration linger);
  // The record of a backend of the configuration; allocates an index or revives a lingering one. If
  // all are taken the one that has lingered longest gives way. ResourceExhausted: none does.
  absl::StatusOr<Record*> Use(const std::string& key, const IpAddress& address,
                              const Delivery& delivery);

  // Takes effect in the file when something else is saved. `key` must be there.
  void SetKeepsKnownFlows(const std::string& key, bool keeps) {
    records_.at(key).keeps_known_flows = keeps;
  }

  // By key: those in the configuration and those that linger.
  const std::map<std::string, Record>& records() const { return records_; }
  // When the next lingering backend is to be forgotten; InfiniteFuture() if none lingers.
  absl::Time NextExpiry(absl::Duration linger) const;

 private:
  absl::Status Parse(const std::string& text);
  std::string Print() const;
  absl::Status ParseLine(const std::vector<std::string>& words);
  void Free(std::map<std::string, Record>::iterator record);
  bool FindFreeIndex(uint16_t* index) const;

  uint16_t first_incarnation_;
  std::map<std::string, Record> records_;
  std::set<uint16_t> taken_;
  std::map<uint16_t, uint16_t> last_incarnation_;  // of free indices that were used before
  bool dirty_ = false;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_COMPILER_BACKEND_REGISTRY_H_
