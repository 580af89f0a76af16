// How often in a row the control plane did not get through a start with one and the same
// configuration: STATE_DIRECTORY/start-attempts.
//
// A configuration that kills the process (memory, a fault of ours) is kept on disk before it kills,
// so it would kill every start. A start is noted here before anything is read, and taken back once
// it has succeeded or has ended in order. Thread safety: none; blocking calls.
#ifndef GUIDEWAY_CONTROLPLANE_START_ATTEMPTS_H_
#define GUIDEWAY_CONTROLPLANE_START_ATTEMPTS_H_

#include <cstdint>
#include <string>

namespace guideway {

class StartAttempts {
 public:
  // After so many failures in a row the configuration is not tried again. More than two, so that a
  // kill by hand or a power failure in the wrong moment changes nothing; few, since nothing is
  // served meanwhile after a reboot.
  static constexpr uint32_t kFailuresAllowed = 3;

  explicit StartAttempts(std::string directory) : directory_(std::move(directory)) {}

  struct Failures {
    uint32_t count = 0;
    uint64_t version = 0;  // that was put in force; 0: they did not come so far, FILE is to blame
  };
  // Notes a start with this content of FILE (its SHA-256; empty: it cannot be read) and this newest
  // kept version. Returns the starts with the same two that have failed before, without one that
  // succeeded in between.
  Failures Begin(const std::string& file_digest, uint64_t newest_version);
  // The start goes on with this version, the newest one now.
  void SetVersion(uint64_t version);
  // The start has succeeded, or the process ends in order.
  void End();

  // Why starts are not counted, or what was damaged; empty: nothing.
  const std::string& problem() const { return problem_; }

 private:
  void Keep();

  const std::string directory_;
  bool going_on_ = false;
  uint32_t failures_ = 0;
  std::string file_digest_;
  uint64_t version_ = 0;
  bool loaded_ = false;  // SetVersion() was called
  std::string problem_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_START_ATTEMPTS_H_
