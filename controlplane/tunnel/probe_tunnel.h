// Health probes through the tunnel: sockets connected to a VIP whose packets go to one backend, in
// the encapsulation in which the data plane sends it traffic.
//
// A probe's socket has a mark, which makes the kernel route its packets to the anchor device
// (anchor.h). Here they are read, told apart by their source address and port, put into the frame
// in which the data plane would send them, and sent on a packet socket by the backend's next hop.
// The backend answers to the host's own address, by the kernel's own ways. What this host cannot do
// is Unavailable, and tried again every second. Thread safety: loop thread only.
#ifndef GUIDEWAY_CONTROLPLANE_TUNNEL_PROBE_TUNNEL_H_
#define GUIDEWAY_CONTROLPLANE_TUNNEL_PROBE_TUNNEL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controlplane/compiler/delivery.h"
#include "controlplane/event_loop.h"
#include "controlplane/health/probe.h"
#include "controlplane/resolver/next_hop.h"
#include "controlplane/tunnel/anchor.h"
#include "controlplane/tunnel/frame.h"
#include "lib/base/unique_fd.h"

namespace guideway {

// One backend as it is probed.
struct TunnelTarget {
  IpAddress backend;
  IpAddress vip;
  Delivery delivery;
};

class ProbeTunnel {
 public:
  // Where packets to a backend leave: of a static gateway, too, by the kernel's interface.
  using NextHopOf = std::function<ResolvedNextHop(const IpAddress& backend)>;

  ProbeTunnel(EventLoop* loop, const ProbeAnchor::Numbers& numbers, NextHopOf next_hop_of);
  ~ProbeTunnel();
  ProbeTunnel(const ProbeTunnel&) = delete;
  ProbeTunnel& operator=(const ProbeTunnel&) = delete;

  // Makes the anchor, or takes it away, with what a crash may have left of it.
  void SetInUse(bool in_use);
  // Must not outlive this object.
  std::shared_ptr<ProbePath> MakePath(const TunnelTarget& target);
  // Why no probe can be sent; empty: they can, or there are none.
  const std::string& problem() const { return problem_; }

 private:
  class Path;
  struct Flow {  // of one probe
    TunnelTarget target;
    ProbeCarrier carrier;
    int interface_index = 0;
    uint64_t packets = 0;
    int send_error = 0;    // errno of the last packet that could not be sent
    bool lingers = false;  // seen by Upkeep() without a path that holds it
  };
  using FlowEnd = std::pair<IpAddress, uint16_t>;  // the probe's own address and port

  absl::StatusOr<std::shared_ptr<Flow>> Prepare(const TunnelTarget& target, int socket);
  absl::Status Check(const Flow& flow);
  absl::Status Open();
  void Close();
  void Upkeep();
  void ReadPackets();
  void SendOn(uint8_t* packet, size_t length_bytes);

  EventLoop* loop_;
  const ProbeAnchor::Numbers numbers_;
  NextHopOf next_hop_of_;
  bool in_use_ = false;
  bool ever_set_ = false;
  std::string problem_;
  std::unique_ptr<ProbeAnchor> anchor_;  // null: not in use, or not possible
  UniqueFd packet_socket_;
  absl::flat_hash_map<FlowEnd, std::shared_ptr<Flow>> flows_;
  std::mt19937_64 random_;
  EventLoop::TimerId upkeep_timer_ = 0;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_TUNNEL_PROBE_TUNNEL_H_
