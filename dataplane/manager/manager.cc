#include "dataplane/manager/manager.h"

#include <glog/logging.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <utility>

#include "dataplane/manager/counters_region.h"
#include "dataplane/manager/flow_lookup.h"
#include "lib/base/status.h"

namespace guideway {
namespace {

constexpr size_t kRequestsPerRead = 256;
// With kernel twins the manager polls: TAPs and rings have no common event.
constexpr int kTwinPauseMs = 1;

channel::PortInfo Describe(const Port& port) {
  channel::PortInfo info;
  std::strncpy(info.name, port.name().c_str(), sizeof(info.name) - 1);
  std::strncpy(info.kernel_interface, port.kernel_interface().c_str(),
               sizeof(info.kernel_interface) - 1);
  info.mac = port.mac();
  info.mtu_bytes = port.mtu_bytes();
  return info;
}

absl::StatusOr<UniqueFd> EverySecond() {
  UniqueFd fd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  const itimerspec period{.it_interval = {.tv_sec = 1, .tv_nsec = 0},
                          .it_value = {.tv_sec = 1, .tv_nsec = 0}};
  if (!fd.valid() || timerfd_settime(fd.get(), 0, &period, nullptr) != 0) {
    return ErrnoStatus(errno, "timerfd");
  }
  return fd;
}

}  // namespace

absl::StatusOr<UniqueFd> BlockStopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  if (sigprocmask(SIG_BLOCK, &signals, nullptr) != 0) return ErrnoStatus(errno, "sigprocmask");
  UniqueFd fd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return ErrnoStatus(errno, "signalfd");
  return fd;
}

absl::StatusOr<std::unique_ptr<Manager>> Manager::Create(Dataplane* dataplane,
                                                         const std::string& channel_socket,
                                                         UniqueFd stop_signals) {
  std::unique_ptr<Manager> manager(new Manager(dataplane));
  channel::DataplaneEnd::Options options{
      .socket_path = channel_socket,
      .capacities = {},
      .worker_count = static_cast<uint32_t>(dataplane->workers().size()),
      .ports = {},
      .log = [](const std::string& line) { LOG(INFO) << "channel: " << line; }};
  for (const std::unique_ptr<Port>& port : dataplane->ports()) {
    options.ports.push_back(Describe(*port));
    manager->has_twins_ = manager->has_twins_ || port->twin() != nullptr;
  }
  manager->draft_ = std::make_unique<TableDraft>(
      dataplane->table_memory(), static_cast<uint32_t>(options.ports.size()),
      [raw = manager.get()](const TableState& tables) { return raw->Publish(tables); });
  GW_ASSIGN_OR_RETURN(manager->channel_, channel::DataplaneEnd::Listen(std::move(options)));
  manager->signals_ = std::move(stop_signals);
  GW_ASSIGN_OR_RETURN(manager->second_timer_, EverySecond());
  manager->epoll_ = UniqueFd(epoll_create1(EPOLL_CLOEXEC));
  if (!manager->epoll_.valid()) return ErrnoStatus(errno, "epoll_create1");
  for (const int fd :
       {manager->channel_->fd(), manager->signals_.get(), manager->second_timer_.get()}) {
    GW_RETURN_IF_ERROR(manager->Watch(fd));
  }
  return manager;
}

Manager::~Manager() = default;

absl::Status Manager::Watch(int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return ErrnoStatus(errno, "epoll_ctl");
  }
  return absl::OkStatus();
}

absl::Status Manager::Run() {
  for (;;) {
    GW_ASSIGN_OR_RETURN(const bool go_on, RunOnce());
    if (!go_on) return absl::OkStatus();
  }
}

absl::StatusOr<bool> Manager::RunOnce() {
  int wait_ms = -1;
  if (has_twins_) wait_ms = PollTwins() ? 0 : kTwinPauseMs;
  std::array<epoll_event, 4> events{};
  const int count = epoll_wait(epoll_.get(), events.data(), events.size(), wait_ms);
  if (count < 0 && errno != EINTR) return ErrnoStatus(errno, "epoll_wait");
  for (int i = 0; i < count; ++i) {
    const int fd = events[static_cast<size_t>(i)].data.fd;
    if (fd == signals_.get()) return false;
    if (fd == channel_->fd()) HandleChannel();
    if (fd == second_timer_.get()) {
      uint64_t expirations = 0;
      if (read(fd, &expirations, sizeof(expirations)) > 0) CheckSteering();
    }
  }
  return true;
}

void Manager::HandleChannel() {
  const channel::DataplaneEnd::Events events = channel_->HandleEvents();
  if (events.connected || events.disconnected) draft_->Abort();
  std::array<channel::Request, kRequestsPerRead> requests;
  const absl::StatusOr<size_t> count = channel_->ReadRequests(absl::MakeSpan(requests));
  if (!count.ok()) return draft_->Abort();  // logged by the channel; tables in force stay
  std::vector<channel::Response> responses;
  responses.reserve(*count);
  for (size_t i = 0; i < *count; ++i) responses.push_back(Handle(requests[i]));
  if (!responses.empty() && !channel_->SendResponses(responses).ok()) draft_->Abort();
  // What has time until now.
  dataplane_->publisher().FreeFormer();
  draft_->Prepare();
}

channel::Response Manager::Handle(const channel::Request& request) {
  if (request.type == channel::MessageType::kReadCounters && !draft_->in_transaction()) {
    WriteCounters();
  }
  const channel::Response response = draft_->Apply(request, channel_->arena());
  if (request.type == channel::MessageType::kLookupFlow &&
      response.code == channel::ResponseCode::kOk && channel_->counters() != nullptr) {
    LookUpFlow(request.body.lookup_flow, draft_->committed(), dataplane_->flow_tables(),
               &channel_->counters()->flow_lookup);
  }
  return response;
}

absl::Status Manager::Publish(const TableState& tables) {
  GW_ASSIGN_OR_RETURN(std::unique_ptr<OwnedSnapshot> snapshot,
                      OwnedSnapshot::Build(tables, dataplane_->table_memory()));
  traffic_.Follow(tables);
  dataplane_->publisher().Publish(std::move(snapshot));
  channel_->SetGeneration(tables.generation);
  UpdateSteering(tables);
  VLOG(1) << "generation " << tables.generation << " in force";
  return absl::OkStatus();
}

void Manager::UpdateSteering(const TableState& tables) {
  std::vector<SteeredVip> vips;
  for (const TableEntry<channel::VipBody>& vip : tables.vips) {
    if (!vip.exists) continue;
    vips.push_back({.address = vip.body.address,
                    .port = vip.body.port,
                    .protocol = static_cast<IpProtocol>(vip.body.protocol)});
  }
  if (steering_complete_ && vips == steered_) return;  // most new tables are about health
  steering_complete_ = true;
  steered_ = vips;
  for (const std::unique_ptr<Port>& port : dataplane_->ports()) {
    if (port->steering() == nullptr) continue;
    const absl::Status status = port->steering()->SetVips(vips);
    if (status.ok()) continue;
    steering_complete_ = false;
    LOG(ERROR) << status << "; trying again";
  }
}

// Somebody else may have taken the program off (ip link set dev X xdp off): packets for VIPs would
// silently go to the kernel.
void Manager::CheckSteering() {
  if (!steering_complete_) UpdateSteering(draft_->committed());
  for (const std::unique_ptr<Port>& port : dataplane_->ports()) {
    if (port->steering() == nullptr || port->steering()->IsAttached()) continue;
    const absl::Status status = port->steering()->Attach();
    LOG(WARNING) << "port " << port->name() << " had lost its XDP program: "
                 << (status.ok() ? "attached again" : status.ToString());
  }
}

void Manager::WriteCounters() {
  channel::CountersRegion* region = channel_->counters();
  if (region != nullptr)
    FillCountersRegion(*dataplane_, traffic_, draft_->committed().generation, region);
}

std::string Manager::AccountingSummary() const {
  CounterValues total;
  for (const std::unique_ptr<Worker>& worker : dataplane_->workers()) {
    total += worker->counters().ReadConsistent();
  }
  return absl::StrCat("received ", total[Counter::received_packets], " = forwarded ",
                      total[Counter::forwarded_packets], " + to kernel ",
                      total[Counter::to_kernel_packets], " + answered ",
                      total[Counter::answered_packets], " + dropped ", total.TotalDrops(),
                      total.Balanced() ? "" : ": DOES NOT ADD UP");
}

bool Manager::PollTwins() {
  bool moved = false;
  for (const std::unique_ptr<Port>& port : dataplane_->ports()) {
    if (port->twin() != nullptr) moved = port->twin()->Poll() || moved;
  }
  return moved;
}

}  // namespace guideway
