#include "dataplane/ports/port_watch.h"

#include <glog/logging.h>
#include <net/if.h>
#include <rte_ethdev.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace guideway {
namespace {

using channel::PortFault;

// Who takes the program off again and again gets a line this often.
constexpr absl::Duration kAttachedAgainLog = absl::Minutes(1);

constexpr struct {
  PortFault fault;
  const char* name;
} kFaults[] = {{PortFault::kGone, "gone"},       {PortFault::kQueues, "queues"},
               {PortFault::kMtu, "mtu"},         {PortFault::kLinkDown, "link-down"},
               {PortFault::kProgram, "program"}, {PortFault::kRenamed, "renamed"}};

}  // namespace

PortWatch::PortWatch(Port* port, uint32_t workers) : port_(port), workers_(workers) {
  SetKernelInterface(port->kernel_interface());
  vitals_.mac = port->mac();
  vitals_.mtu_bytes = port->mtu_bytes();
  vitals_.interface_mtu_bytes = port->mtu_bytes();
  vitals_.receive_queues = workers;
}

std::vector<std::string> PortWatch::Faults() const {
  std::vector<std::string> names;
  for (const auto& [fault, name] : kFaults) {
    if ((vitals_.faults & static_cast<uint32_t>(fault)) != 0) names.emplace_back(name);
  }
  return names;
}

void PortWatch::Set(PortFault fault, bool present, const std::string& why) {
  const auto bit = static_cast<uint32_t>(fault);
  if (((vitals_.faults & bit) != 0) == present) return;
  vitals_.faults ^= bit;
  if (present) {
    LOG(ERROR) << "port " << port_->name() << ": " << why;
    return;
  }
  for (const auto& [each, name] : kFaults) {
    if (each == fault) LOG(WARNING) << "port " << port_->name() << ": well again: " << name;
  }
}

void PortWatch::Look(absl::Duration now) {
  if (port_->steering() != nullptr) return LookAtInterface(now);
  LookAtShared();
}

void PortWatch::LookAtInterface(absl::Duration now) {
  const std::optional<InterfaceState> state = ReadInterface(port_->interface_index());
  const bool gone = !state || !port_->SocketsAreBound();
  Set(PortFault::kGone, gone, "its interface is gone; waiting for it to come back");
  made_anew_.clear();
  if (gone) return LookForSuccessor();
  Adopt(*state);
  Set(PortFault::kRenamed, state->name != port_->name(),
      absl::StrCat("its interface is called ", state->name, " now"));
  Set(PortFault::kLinkDown, !state->carrier,
      state->up ? "the link is down" : "the interface is switched off");
  vitals_.receive_queues = state->receive_queues;
  Set(PortFault::kQueues, state->receive_queues != workers_,
      absl::StrCat("it has ", state->receive_queues, " receive queue(s) now and ", workers_,
                   " worker(s)",
                   state->receive_queues > workers_ ? ": packets of the others go to the kernel"
                                                    : ": some workers get no packets"));
  LookAtProgram(now);
}

// Zeros behind it, because the other end gets all of it.
void PortWatch::SetKernelInterface(const std::string& name) {
  std::memset(vitals_.kernel_interface, 0, sizeof(vitals_.kernel_interface));
  name.copy(vitals_.kernel_interface, sizeof(vitals_.kernel_interface) - 1);
}

void PortWatch::Adopt(const InterfaceState& state) {
  SetKernelInterface(state.name);
  if (state.mac != vitals_.mac) {
    LOG(WARNING) << "port " << port_->name() << ": MAC address " << state.mac.ToString()
                 << " now, before " << vitals_.mac.ToString();
    vitals_.mac = state.mac;
  }
  vitals_.interface_mtu_bytes = state.mtu_bytes;
  const uint32_t most = port_->largest_mtu_bytes();
  const auto usable = static_cast<uint16_t>(std::min(state.mtu_bytes, most));
  if (usable != vitals_.mtu_bytes) {
    LOG(WARNING) << "port " << port_->name() << ": MTU " << usable << " now, before "
                 << vitals_.mtu_bytes;
    vitals_.mtu_bytes = usable;
  }
  Set(PortFault::kMtu, state.mtu_bytes > most,
      absl::StrCat("its MTU is ", state.mtu_bytes, " now, and the buffers hold ", most,
                   ": longer frames are lost until a restart"));
}

// The interface that the operator named, if there is one again.
void PortWatch::LookForSuccessor() {
  const uint32_t index = if_nametoindex(port_->name().c_str());
  const std::optional<InterfaceState> state = ReadInterface(index);
  if (!state) return SetSuccessorProblem("");
  if (!state->up) return SetSuccessorProblem("it is switched off");
  const absl::Status start = CheckStart();
  if (!start.ok()) return SetSuccessorProblem(std::string(start.message()));
  made_anew_ = absl::StrCat("port ", port_->name(), ": the interface was made anew (index ",
                            port_->interface_index(), ", now ", index, ")");
}

void PortWatch::SetSuccessorProblem(const std::string& problem) {
  if (problem != successor_problem_ && !problem.empty()) {
    LOG(WARNING) << "port " << port_->name()
                 << ": the interface is back, but is not opened: " << problem;
  }
  successor_problem_ = problem;
}

absl::Status PortWatch::CheckStart() const {
  if (port_->steering() != nullptr) {
    return Port::CheckStart({.kind = PortKind::kAfXdp, .name = port_->name(), .device = {}},
                            workers_);
  }
  if (!port_->is_pci() || rte_eth_dev_is_removed(port_->queue(0).device) == 0) {
    return absl::OkStatus();
  }
  return absl::NotFoundError(absl::StrCat("--port=", port_->name(), ": the device is gone"));
}

// Somebody may have taken the program off (ip link set dev X xdp off): packets for VIPs would
// silently go to the kernel.
void PortWatch::LookAtProgram(absl::Duration now) {
  if (port_->steering()->IsAttached()) {
    Set(PortFault::kProgram, false, "");
    return;
  }
  const absl::Status status = port_->steering()->Attach();
  Set(PortFault::kProgram, !status.ok(),
      absl::StrCat("had lost its XDP program: ", status.ToString()));
  if (!status.ok() || now - attached_again_at_ < kAttachedAgainLog) return;
  attached_again_at_ = now;
  LOG(WARNING) << "port " << port_->name() << " had lost its XDP program: attached again";
}

// A NIC and its kernel twin are one port: each fault is decided for both at once.
void PortWatch::LookAtShared() {
  std::string gone, down;
  if (port_->twin() != nullptr) LookAtTwin(&gone, &down);
  LookAtDevice(&gone, &down);
  Set(PortFault::kGone, !gone.empty(), gone);
  Set(PortFault::kLinkDown, !down.empty(), down);
}

void PortWatch::LookAtTwin(std::string* gone, std::string* down) {
  KernelTwin* twin = port_->twin();
  if (!twin->IsAttached()) {
    const absl::Status status = twin->Renew();
    if (!status.ok()) {
      *gone = absl::StrCat("its kernel twin is gone: ", status.ToString());
      return;
    }
    LOG(WARNING) << "port " << port_->name() << ": its kernel twin " << twin->interface_name()
                 << " was gone: made anew, without addresses";
  }
  const std::optional<InterfaceState> state = ReadInterface(twin->interface_index());
  if (!state) {
    *gone = "its kernel twin is in another network namespace";
    return;
  }
  if (!state->up) *down = absl::StrCat("its kernel twin ", state->name, " is switched off");
  if (state->name == vitals_.kernel_interface) return;
  LOG(WARNING) << "port " << port_->name() << ": its kernel twin is called " << state->name
               << " now, before " << vitals_.kernel_interface;
  SetKernelInterface(state->name);
}

// Virtual devices have no link worth a word.
void PortWatch::LookAtDevice(std::string* gone, std::string* down) const {
  if (!port_->is_pci()) return;
  const uint16_t device = port_->queue(0).device;
  if (rte_eth_dev_is_removed(device) != 0) {
    *gone = "the device was removed";
    return;
  }
  rte_eth_link link{};
  if (rte_eth_link_get_nowait(device, &link) != 0) return;
  if (link.link_status == RTE_ETH_LINK_DOWN) *down = "the link is down";
}

}  // namespace guideway
