#include "dataplane/manager/manager.h"

#include <glog/logging.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

#include "absl/time/clock.h"
#include "dataplane/manager/counters_region.h"
#include "dataplane/manager/flow_lookup.h"
#include "lib/base/clock.h"
#include "lib/base/signals.h"
#include "lib/base/status.h"

namespace guideway {
namespace {

constexpr size_t kRequestsPerRead = 256;
// With kernel twins the manager polls: TAPs and rings have no common event.
constexpr int kTwinPauseMs = 1;
// How long a commit waits for workers that are busy or out of processor time. It is told so if one
// takes longer.
constexpr absl::Duration kCommitPatience = absl::Milliseconds(20);
constexpr absl::Duration kTick = absl::Milliseconds(100);
// How long lost lines of the log are a problem.
constexpr absl::Duration kRecently = absl::Minutes(1);
constexpr absl::Duration kSecond = absl::Seconds(1);

channel::PortInfo Describe(const Port& port) {
  channel::PortInfo info;
  std::strncpy(info.name, port.name().c_str(), sizeof(info.name) - 1);
  std::strncpy(info.kernel_interface, port.kernel_interface().c_str(),
               sizeof(info.kernel_interface) - 1);
  info.mac = port.mac();
  info.mtu_bytes = port.mtu_bytes();
  return info;
}

absl::StatusOr<UniqueFd> EveryTick() {
  UniqueFd fd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  const timespec tick = absl::ToTimespec(kTick);
  const itimerspec period{.it_interval = tick, .it_value = tick};
  if (!fd.valid() || timerfd_settime(fd.get(), 0, &period, nullptr) != 0) {
    return ErrnoStatus(errno, "timerfd");
  }
  return fd;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Manager>> Manager::Create(Dataplane* dataplane,
                                                         const std::string& channel_socket,
                                                         const std::string& metrics_file,
                                                         UniqueFd signals, const LogRelay* log) {
  std::unique_ptr<Manager> manager(new Manager(dataplane, metrics_file));
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
  manager->signals_ = std::move(signals);
  manager->log_ = log;
  GW_ASSIGN_OR_RETURN(manager->tick_timer_, EveryTick());
  manager->epoll_ = UniqueFd(epoll_create1(EPOLL_CLOEXEC));
  if (!manager->epoll_.valid()) return ErrnoStatus(errno, "epoll_create1");
  for (const int fd :
       {manager->channel_->fd(), manager->signals_.get(), manager->tick_timer_.get()}) {
    GW_RETURN_IF_ERROR(manager->Watch(fd));
  }
  return manager;
}

Manager::~Manager() = default;

void Manager::RemoveFiles() {
  channel_.reset();
  metrics_file_.Remove();
}

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
    if (fd == signals_.get() && !HandleSignals()) return false;
    if (fd == channel_->fd()) HandleChannel();
    if (fd == tick_timer_.get()) {
      uint64_t expirations = 0;
      if (read(fd, &expirations, sizeof(expirations)) > 0) GW_RETURN_IF_ERROR(HandleTick());
    }
  }
  return true;
}

bool Manager::HandleSignals() {
  while (const std::optional<TakenSignal> taken = TakeSignal(signals_.get(), Daemon::kForwarder)) {
    LOG(INFO) << "SIG" << sigabbrev_np(taken->number)
              << (taken->action == SignalAction::kStop ? ": stopping" : ": there is nothing to do");
    if (taken->action == SignalAction::kStop) return false;
  }
  return true;
}

absl::Status Manager::HandleTick() {
  const absl::Duration now = MonotonicNow();
  Settle();
  const bool changed = vital_signs_.Look(now, channel_.get());
  const bool second = now - last_second_ >= kSecond;
  if (second) {
    last_second_ = now;
    CheckSteering();
    CheckSocket();
    GW_RETURN_IF_ERROR(LookAtPorts(now));
  }
  Beat();
  if (second || changed) WriteMetrics();
  return absl::OkStatus();
}

void Manager::CheckSocket() {
  const absl::StatusOr<bool> anew = channel_->KeepListening();
  const std::string problem(anew.status().message());
  if (anew.ok() && *anew) {
    LOG(WARNING) << "--channel=" << channel_->socket_path()
                 << ": the socket was gone or another's; it was made anew";
  } else if (problem != socket_problem_) {
    LOG_IF(ERROR, !problem.empty())
        << "the socket --channel=" << channel_->socket_path()
        << " is gone or another's, so no other control plane can connect, and it cannot be made "
           "anew: "
        << problem << "; trying again";
  }
  socket_problem_ = problem;
}

absl::Status Manager::LookAtPorts(absl::Duration now) {
  GW_RETURN_IF_ERROR(port_watches_.Look(now));
  for (size_t i = 0; i < port_watches_.size(); ++i) {
    const channel::PortVitals& port = port_watches_[i].vitals();
    channel_->SetPort(i, port.kernel_interface, port.mac, port.mtu_bytes);
  }
  return absl::OkStatus();
}

void Manager::Beat() {
  channel::DataplaneVitals vitals;
  if (const std::optional<uint32_t> worker = dataplane_->publisher().Awaited()) {
    vitals.awaited_generation = draft_->committed().generation;
    vitals.awaited_worker = *worker;
  }
  vital_signs_.Fill(&vitals);
  vitals.socket_lost = socket_problem_.empty() ? 0 : 1;
  if (log_ != nullptr) {
    vitals.lost_log_lines = log_->lost_lines();
    vitals.log_loses_lines = log_->LostWithin(kRecently) ? 1 : 0;
  }
  for (size_t i = 0; i < port_watches_.size(); ++i) vitals.ports[i] = port_watches_[i].vitals();
  channel_->Beat(vitals);
  last_beat_ = MonotonicNow();
}

void Manager::WriteMetrics() {
  DataplaneMetrics metrics;
  metrics.now = absl::Now();
  metrics.controlplane_connected = channel_->connected();
  metrics.controlplane_silence = vital_signs_.ControlplaneSilence();
  metrics.socket_lost = !socket_problem_.empty();
  metrics.generation = draft_->committed().generation;
  metrics.generation_taken = !dataplane_->publisher().Awaited();
  for (uint32_t i = 0; i < dataplane_->workers().size(); ++i) {
    metrics.worker_silences.push_back(vital_signs_.WorkerSilence(i));
  }
  for (size_t i = 0; i < port_watches_.size(); ++i) {
    for (const std::string& fault : port_watches_[i].Faults()) {
      metrics.port_faults.emplace_back(dataplane_->ports()[i]->name(), fault);
    }
  }
  metrics.lost_log_lines = log_ == nullptr ? 0 : log_->lost_lines();
  metrics_file_.Write(metrics);
}

void Manager::Settle() {
  const std::optional<uint32_t> worker = dataplane_->publisher().Awaited();
  if (worker) {
    if (late_generation_ != 0 || MonotonicNow() - published_at_ < channel::kSilenceLimit) return;
    late_generation_ = draft_->committed().generation;
    LOG(ERROR) << "generation " << late_generation_ << " is not in force: worker " << *worker
               << " has not taken it; later changes wait";
    return;
  }
  draft_->Settle();
  if (late_generation_ != 0) {
    LOG(WARNING) << "generation " << late_generation_ << " is in force: all workers use it";
  }
  late_generation_ = 0;
}

void Manager::HandleChannel() {
  const channel::DataplaneEnd::Events events = channel_->HandleEvents();
  if (events.connected || events.disconnected) draft_->Abort();
  std::array<channel::Request, kRequestsPerRead> requests;
  const absl::StatusOr<size_t> count = channel_->ReadRequests(absl::MakeSpan(requests));
  if (!count.ok()) return draft_->Abort();  // logged by the channel; tables in force stay
  std::vector<channel::Response> responses;
  responses.reserve(*count);
  for (size_t i = 0; i < *count; ++i) {
    responses.push_back(Handle(requests[i]));
    // Large tables take time.
    if (MonotonicNow() - last_beat_ >= channel::kBeatInterval) Beat();
  }
  if (!responses.empty() && !channel_->SendResponses(responses).ok()) draft_->Abort();
  // What has time until now.
  dataplane_->publisher().FreeFormer();
  draft_->Prepare();
}

channel::Response Manager::Handle(const channel::Request& request) {
  if (draft_->awaits_worker()) Settle();
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
  published_at_ = MonotonicNow();
  dataplane_->publisher().Publish(std::move(snapshot), kCommitPatience);
  if (const std::optional<uint32_t> worker = dataplane_->publisher().Awaited()) {
    draft_->AwaitWorker(*worker);
  }
  channel_->SetGeneration(tables.generation);
  // Also if a worker is late: the others serve what is new.
  UpdateSteering(tables);
  VLOG(1) << "generation " << tables.generation << " published";
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

void Manager::CheckSteering() {
  if (!steering_complete_) UpdateSteering(draft_->committed());
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
