// Steering: loads the XDP program of one interface, gives it the AF_XDP sockets and the VIPs.
//
// Thread safety: manager thread only (and start-up). The program is detached by Detach() or the
// destructor; after a crash it stays attached and passes everything to the kernel, because the
// sockets in its map are gone.
#ifndef GUIDEWAY_DATAPLANE_BPF_STEERING_H_
#define GUIDEWAY_DATAPLANE_BPF_STEERING_H_

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <tuple>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "dataplane/bpf/attachment.h"
#include "lib/base/unique_fd.h"
#include "lib/net/flow_key.h"

struct steering_bpf;

namespace guideway {

// A VIP as steering sees it. Port 0 is any port.
struct SteeredVip {
  IpAddress address;
  Be16 port;
  IpProtocol protocol = IpProtocol::kTcp;
  friend bool operator==(const SteeredVip&, const SteeredVip&) = default;
};

class Steering {
 public:
  // Loads the program for `interface_name`; nothing is attached yet.
  static absl::StatusOr<std::unique_ptr<Steering>> Load(const std::string& interface_name);
  ~Steering();
  Steering(const Steering&) = delete;
  Steering& operator=(const Steering&) = delete;

  // Packets of `queue` (the kernel's receive queue) go to the socket `xsk_fd`.
  absl::Status AddSocket(uint32_t queue, int xsk_fd);
  // Replaces the placeholder or what an earlier process left. AlreadyExists, naming it, if the
  // interface has another tool's program.
  absl::Status Attach();
  // Whether our program is still the one on the interface.
  bool IsAttached() const;
  // NotFound if it is not; another program stays.
  absl::Status Detach();
  // Packets for VIPs that went to the kernel because their queue has no socket.
  uint64_t UnservedPackets() const;
  // Makes exactly these VIPs redirected.
  absl::Status SetVips(absl::Span<const SteeredVip> vips);

  // AlreadyExists, naming it, if the interface has an XDP program of another tool.
  static absl::Status CheckFree(const std::string& interface_name);
  // Removes our own XDP program: a leftover of a killed process, or the placeholder. AlreadyExists
  // as above.
  static absl::Status Clear(const std::string& interface_name);
  // For other tools' programs while the AF_XDP driver closes its devices.
  static std::unique_ptr<ForeignXdpKeeper> KeeperOfOthers();

  const std::string& interface_name() const { return interface_name_; }
  // The loaded program, for BPF_PROG_TEST_RUN.
  int program_fd() const;

 private:
  struct Key;
  struct KeyLess;
  explicit Steering(std::string interface_name);
  // Whether the loaded program is on the interface, and how.
  absl::StatusOr<bool> FindAttached(XdpAttachment* attachment) const;

  // Constant after Load().
  std::string interface_name_;
  int interface_index_ = 0;
  steering_bpf* program_ = nullptr;
  bool attached_ = false;
  std::unique_ptr<std::set<Key, KeyLess>> keys_;  // what the map holds
};

// A file that holds the placeholder program's object, for the driver's xdp_prog argument.
class PlaceholderProgram {
 public:
  static absl::StatusOr<PlaceholderProgram> Create();
  // Valid while this object lives.
  std::string path() const;

 private:
  UniqueFd memfd_;
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_BPF_STEERING_H_
