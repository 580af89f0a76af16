// Flows of probes, and their packets' way from the anchor to the wire.
#include "controlplane/tunnel/probe_tunnel.h"

#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "controlplane/tunnel/local_end.h"
#include "controlplane/tunnel/reverse_path.h"
#include "glog/logging.h"
#include "lib/base/status.h"
#include "lib/net/headers.h"

namespace guideway {
namespace {

// Between looks at whether the anchor is as it should be, and between attempts to make one.
constexpr absl::Duration kUpkeepInterval = absl::Seconds(1);
// Packets read in one turn of the event loop, so that other probes get theirs.
constexpr int kMostPacketsAtOnce = 256;

// The ends of a TCP packet as the kernel writes them: no IPv6 extension headers.
struct Ends {
  IpAddress source, destination;
  uint16_t source_port = 0;
};

bool ParseEnds(const uint8_t* packet, size_t length_bytes, Ends* ends) {
  const uint8_t* tcp = nullptr;
  const unsigned version = length_bytes == 0 ? 0 : packet[0] >> 4;
  if (version == 4 && length_bytes >= sizeof(Ipv4Header)) {
    const auto* ip = reinterpret_cast<const Ipv4Header*>(packet);
    if (ip->protocol != IpProtocol::kTcp || ip->header_bytes() < sizeof(Ipv4Header) ||
        ip->total_length.host() != length_bytes || ip->is_fragment()) {
      return false;
    }
    ends->source = IpAddress::FromIpv4(ip->source);
    ends->destination = IpAddress::FromIpv4(ip->destination);
    tcp = packet + ip->header_bytes();
  } else if (version == 6 && length_bytes >= sizeof(Ipv6Header)) {
    const auto* ip = reinterpret_cast<const Ipv6Header*>(packet);
    if (ip->next_header != IpProtocol::kTcp ||
        ip->payload_length.host() + sizeof(Ipv6Header) != length_bytes) {
      return false;
    }
    ends->source = IpAddress::FromIpv6(ip->source);
    ends->destination = IpAddress::FromIpv6(ip->destination);
    tcp = packet + sizeof(Ipv6Header);
  }
  if (tcp == nullptr || tcp + sizeof(TcpHeader) > packet + length_bytes) return false;
  ends->source_port = reinterpret_cast<const TcpHeader*>(tcp)->source_port.host();
  return true;
}

// Where the frames of a probe go, as a message of the channel says it.
absl::Status FillCarrier(const TunnelTarget& target, const ResolvedNextHop& next_hop,
                         ProbeCarrier* carrier) {
  // A neighbour that does not answer is silence; all else is this host's.
  const bool silent = !next_hop.pending && !next_hop.source_mac.IsZero();
  if (!next_hop.problem.empty()) {
    return silent ? absl::FailedPreconditionError(next_hop.problem)
                  : absl::UnavailableError(next_hop.problem);
  }
  const channel::Encapsulation encapsulation = target.delivery.encapsulation;
  if (encapsulation == channel::Encapsulation::kL2 && !next_hop.on_link) {
    return absl::UnavailableError(absl::StrCat(
        target.backend.ToString(), " is not on a segment of this host: l2 cannot reach it"));
  }
  if (channel::IsTunnel(encapsulation) && !target.delivery.has_source_prefix() &&
      (next_hop.source.IsUnspecified() || next_hop.source.family() != target.backend.family())) {
    return absl::UnavailableError(
        absl::StrCat("no source address for tunnels to ", target.backend.ToString()));
  }
  carrier->backend.outer_destination = target.backend;
  SetDelivery(target.delivery, next_hop.source, &carrier->backend);
  carrier->next_hop.destination_mac = next_hop.destination_mac;
  carrier->next_hop.source_mac = next_hop.source_mac;
  carrier->next_hop.vlan = next_hop.vlan;
  return absl::OkStatus();
}

}  // namespace

class ProbeTunnel::Path : public ProbePath {
 public:
  Path(ProbeTunnel* tunnel, const TunnelTarget& target) : tunnel_(tunnel), target_(target) {}
  absl::Status Prepare(int socket) override {
    flow_.reset();
    GW_ASSIGN_OR_RETURN(flow_, tunnel_->Prepare(target_, socket));
    return absl::OkStatus();
  }
  absl::Status Check() override {
    return flow_ ? tunnel_->Check(*flow_) : absl::UnavailableError("not prepared");
  }
  std::string Doubt() const override {
    return flow_ ? StrictReversePath(target_.vip, flow_->interface_index) : "";
  }
  std::string Identity() const override {
    return absl::StrCat("by ", target_.delivery.ToString(), " to ", target_.backend.ToString());
  }

 private:
  ProbeTunnel* tunnel_;
  const TunnelTarget target_;
  std::shared_ptr<Flow> flow_;
};

ProbeTunnel::ProbeTunnel(EventLoop* loop, const ProbeAnchor::Numbers& numbers,
                         NextHopOf next_hop_of)
    : loop_(loop),
      numbers_(numbers),
      next_hop_of_(std::move(next_hop_of)),
      random_(std::random_device()()) {}

ProbeTunnel::~ProbeTunnel() {
  loop_->Cancel(upkeep_timer_);
  Close();
}

std::shared_ptr<ProbePath> ProbeTunnel::MakePath(const TunnelTarget& target) {
  return std::make_shared<Path>(this, target);
}

void ProbeTunnel::SetInUse(bool in_use) {
  if (in_use == in_use_ && ever_set_) return;
  in_use_ = in_use;
  if (in_use) {
    Upkeep();
  } else {
    loop_->Cancel(upkeep_timer_);
    upkeep_timer_ = 0;
    Close();
    problem_.clear();
    // Without the privilege there is nothing of ours either.
    if (!ever_set_) ProbeAnchor::RemoveLeftovers(numbers_).IgnoreError();
  }
  ever_set_ = true;
}

absl::Status ProbeTunnel::Open() {
  GW_ASSIGN_OR_RETURN(anchor_, ProbeAnchor::Open(numbers_));
  packet_socket_.reset(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!packet_socket_.valid()) return ErrnoStatus(errno, "open packet socket");
  const int error = loop_->TryWatch(anchor_->fd(), EPOLLIN, [this](uint32_t) { ReadPackets(); });
  return error == 0 ? absl::OkStatus() : ErrnoStatus(error, "epoll_ctl");
}

void ProbeTunnel::Close() {
  if (anchor_) loop_->Unwatch(anchor_->fd());
  anchor_.reset();
  packet_socket_.reset();
  flows_.clear();
}

void ProbeTunnel::Upkeep() {
  loop_->Cancel(upkeep_timer_);
  absl::Status well = anchor_ ? anchor_->Ensure() : Open();
  if (!well.ok()) Close();
  const std::string problem =
      well.ok() ? "" : absl::StrCat("no probes through tunnels: ", std::string(well.message()));
  if (problem != problem_ && !problem.empty()) LOG(ERROR) << problem;
  problem_ = problem;
  // A flow outlives its probe for at least one interval: its last packets may still be on their
  // way.
  absl::erase_if(flows_, [](const auto& entry) {
    if (entry.second.use_count() > 1) return false;
    return std::exchange(entry.second->lingers, true);
  });
  upkeep_timer_ = loop_->After(kUpkeepInterval, [this] {
    upkeep_timer_ = 0;
    Upkeep();
  });
}

absl::StatusOr<std::shared_ptr<ProbeTunnel::Flow>> ProbeTunnel::Prepare(const TunnelTarget& target,
                                                                        int socket) {
  if (!anchor_) return absl::UnavailableError(problem_);
  const absl::Status& served = anchor_->Serves(target.vip.family());
  if (!served.ok()) return absl::UnavailableError(served.message());
  auto flow = std::make_shared<Flow>();
  flow->target = target;
  flow->carrier.flow_hash = random_();
  const ResolvedNextHop next_hop = next_hop_of_(target.backend);
  GW_RETURN_IF_ERROR(FillCarrier(target, next_hop, &flow->carrier));
  flow->interface_index = static_cast<int>(if_nametoindex(next_hop.interface.c_str()));
  if (flow->interface_index == 0) {
    return absl::UnavailableError(absl::StrCat("there is no interface ", next_hop.interface));
  }
  GW_ASSIGN_OR_RETURN(const IpAddress source, ProbeSource(target.backend, target.vip));
  GW_ASSIGN_OR_RETURN(const uint16_t port, BindProbe(socket, source, numbers_.mark));
  flows_[{source, port}] = flow;
  return flow;
}

absl::Status ProbeTunnel::Check(const Flow& flow) {
  if (flow.packets == 0) {
    return absl::UnavailableError(
        absl::StrCat("packets with mark ", absl::Hex(numbers_.mark), " do not go to ",
                     ProbeAnchor::kDevice, ": is another routing rule or a firewall in the way?"));
  }
  if (flow.send_error == 0) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("send: ", strerror(flow.send_error)));
}

void ProbeTunnel::ReadPackets() {
  // Aligned for nothing: headers are read as bytes.
  std::array<uint8_t, kProbeHeadroomBytes + ProbeAnchor::kMtuBytes> buffer;
  for (int i = 0; i < kMostPacketsAtOnce; ++i) {
    uint8_t* packet = buffer.data() + kProbeHeadroomBytes;
    const ssize_t got = read(anchor_->fd(), packet, ProbeAnchor::kMtuBytes);
    if (got > 0) {
      SendOn(packet, static_cast<size_t>(got));
      continue;
    }
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    Close();  // somebody has removed the device
    Upkeep();
    return;
  }
}

void ProbeTunnel::SendOn(uint8_t* packet, size_t length_bytes) {
  Ends ends;
  if (!ParseEnds(packet, length_bytes, &ends)) return;  // the kernel's own, or a stranger's
  const auto found = flows_.find({ends.source, ends.source_port});
  if (found == flows_.end()) return;
  Flow& flow = *found->second;
  if (flow.target.vip != ends.destination) return;
  ++flow.packets;
  const uint32_t front_bytes =
      WriteProbeFrame(flow.carrier, packet, static_cast<uint16_t>(length_bytes));
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = flow.interface_index;
  const ssize_t sent =
      sendto(packet_socket_.get(), packet - front_bytes, front_bytes + length_bytes, 0,
             reinterpret_cast<sockaddr*>(&to), sizeof(to));
  flow.send_error = sent < 0 ? errno : 0;
}

}  // namespace guideway
