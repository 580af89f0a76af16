#include "lib/channel/dataplane_end.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "lib/base/status.h"
#include "lib/channel/handshake.h"
#include "lib/channel/unix_socket.h"

namespace guideway::channel {
namespace {

constexpr size_t kMaxPending = 8;  // more silent connections push out the oldest
constexpr int kEventsPerCall = 16;
constexpr char kPeer[] = "the control plane";

absl::StatusOr<UniqueFd> NewEventFd() {
  UniqueFd fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, "make an eventfd");
  return fd;
}

absl::Status WatchFd(int epoll, int fd, uint32_t events) {
  epoll_event event = {};
  event.events = events;
  event.data.fd = fd;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, "watch the channel");
}

// Magic, version and sizes of a Hello of `bytes` bytes, which may come from another version and so
// have another length.
absl::Status CheckHello(const Hello& hello, size_t bytes) {
  if (bytes < offsetof(Hello, process_id)) {
    return absl::FailedPreconditionError(
        absl::StrCat("hello: ", kPeer, " has ", bytes, " bytes, expected are ", sizeof(Hello)));
  }
  Sizes sizes = OwnSizes();
  GW_RETURN_IF_ERROR(CheckIdentity(kPeer, hello.magic, hello.version, sizes));
  if (bytes != sizeof(Hello)) {
    return absl::FailedPreconditionError(
        absl::StrCat("hello: ", kPeer, " has ", bytes, " bytes, expected are ", sizeof(Hello)));
  }
  return CheckIdentity(kPeer, hello.magic, hello.version, hello.sizes);
}

absl::Status CheckOptions(const DataplaneEnd::Options& options) {
  if (options.worker_count > kMaxWorkers) {
    return absl::InvalidArgumentError(
        absl::StrCat("worker_count is ", options.worker_count, ", allowed are 0 to ", kMaxWorkers));
  }
  if (options.ports.size() > kMaxPorts) {
    return absl::InvalidArgumentError(
        absl::StrCat("ports are ", options.ports.size(), ", allowed are 0 to ", kMaxPorts));
  }
  return Geometry::Compute(options.capacities).status();
}

}  // namespace

absl::StatusOr<std::unique_ptr<DataplaneEnd>> DataplaneEnd::Listen(Options options) {
  GW_RETURN_IF_ERROR(CheckOptions(options));
  std::unique_ptr<DataplaneEnd> end(new DataplaneEnd(std::move(options)));
  GW_RETURN_IF_ERROR(end->Open());
  return end;
}

absl::Status DataplaneEnd::Open() {
  while (instance_ == 0) {
    if (getrandom(&instance_, sizeof(instance_), 0) != sizeof(instance_)) {
      return ErrnoStatus(errno, "getrandom");
    }
  }
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_.valid()) return ErrnoStatus(errno, "make an epoll set");
  GW_ASSIGN_OR_RETURN(work_left_, NewEventFd());
  GW_RETURN_IF_ERROR(WatchFd(epoll_.get(), work_left_.get(), EPOLLIN));
  return ListenAnew();
}

absl::Status DataplaneEnd::ListenAnew() {
  GW_ASSIGN_OR_RETURN(UniqueFd listener, ListenOn(options_.socket_path));
  const absl::Status watched = WatchFd(epoll_.get(), listener.get(), EPOLLIN);
  if (!watched.ok()) {
    unlink(options_.socket_path.c_str());
    return watched;
  }
  socket_file_ = FileIdentityAt(options_.socket_path);
  listener_ = std::move(listener);  // closing it takes a former one out of the set
  return absl::OkStatus();
}

absl::StatusOr<bool> DataplaneEnd::KeepListening() {
  if (socket_file_.has_value() && FileIdentityAt(options_.socket_path) == socket_file_)
    return false;
  GW_RETURN_IF_ERROR(ListenAnew());
  return true;
}

DataplaneEnd::~DataplaneEnd() {
  // Another data plane's is left alone.
  if (socket_file_.has_value() && FileIdentityAt(options_.socket_path) == socket_file_) {
    unlink(options_.socket_path.c_str());
  }
}

DataplaneEnd::Events DataplaneEnd::HandleEvents() {
  Events events;
  epoll_event ready[kEventsPerCall];
  const int count = epoll_wait(epoll_.get(), ready, kEventsPerCall, 0);
  bool accept = false;
  // The peer's hang-up first, so that its successor finds the place free.
  for (int i = 0; i < count; ++i) {
    const int fd = ready[i].data.fd;
    if (fd == listener_.get()) {
      accept = true;
    } else if (fd == peer_.get()) {
      const absl::Status status = HandlePeer();
      if (status.ok()) continue;
      Disconnect(std::string(status.message()));
      events.disconnected = true;
    } else if (fd == request_doorbell_.get() || fd == work_left_.get()) {
      // Before the ring is looked at, so that no later request goes unnoticed.
      if (fd == request_doorbell_.get()) ClearDoorbell(fd);
      events.requests = true;
    }
  }
  for (int i = 0; i < count; ++i) {
    HandlePending(ready[i].data.fd, &events);
  }
  if (accept) Accept();
  events.requests = (events.requests || events.connected) && peer_.valid();
  return events;
}

void DataplaneEnd::Accept() {
  for (size_t i = 0; i < kMaxPending; ++i) {
    UniqueFd socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket.valid()) return;
    if (!WatchFd(epoll_.get(), socket.get(), EPOLLIN).ok()) continue;
    if (pending_.size() >= kMaxPending) {
      Log(absl::StrCat("process ", pending_.front().process_id,
                       " connected and said nothing: disconnected"));
      pending_.erase(pending_.begin());
    }
    const uint32_t process_id = PeerProcessId(socket.get());
    pending_.push_back({std::move(socket), process_id});
  }
}

void DataplaneEnd::HandlePending(int socket, Events* events) {
  const auto found = std::find_if(pending_.begin(), pending_.end(),
                                  [&](const Pending& p) { return p.socket.get() == socket; });
  if (found == pending_.end()) return;
  Hello hello;
  absl::StatusOr<Packet> packet = ReceivePacket(socket, BytesOf(&hello));
  if (packet.ok() && !packet->arrived) return;
  Pending pending = std::move(*found);
  pending_.erase(found);
  if (!packet.ok() || packet->bytes == 0) return;  // hung up
  absl::Status status = CheckHello(hello, packet->bytes);
  if (status.ok() && peer_.valid() && peer_hangs()) {
    Replace(pending.process_id);
    events->disconnected = true;
  }
  if (status.ok() && peer_.valid()) {
    status = absl::AlreadyExistsError(
        absl::StrCat("a control plane is connected already: process ", peer_process_id_));
  }
  if (!status.ok()) return Refuse(pending, std::string(status.message()));
  const uint32_t process_id = pending.process_id;
  status = Connect(std::move(pending));
  if (!status.ok()) {
    Log(absl::StrCat("control plane, process ", process_id, ": ", status.ToString()));
    return;
  }
  events->connected = true;
}

// It may wake up: then it must know that it is not the master any more.
void DataplaneEnd::Replace(uint32_t successor_process_id) {
  Farewell farewell;
  farewell.successor_process_id = successor_process_id;
  SendPacket(peer_.get(), BytesOf(farewell), {}).IgnoreError();
  Disconnect(absl::StrCat("has not moved for ", absl::FormatDuration(peer_watch_.silence()),
                          ", replaced by process ", successor_process_id));
}

void DataplaneEnd::Beat(const DataplaneVitals& vitals) {
  if (memory_.vitals() != nullptr) memory_.vitals()->dataplane.Write(++turn_, vitals);
}

void DataplaneEnd::SetPort(size_t index, const char (&kernel_interface)[16], const MacAddress& mac,
                           uint16_t mtu_bytes) {
  PortInfo& port = options_.ports[index];
  std::memcpy(port.kernel_interface, kernel_interface, sizeof(port.kernel_interface));
  port.mac = mac;
  port.mtu_bytes = mtu_bytes;
}

absl::Duration DataplaneEnd::LookAtPeer(absl::Duration now) {
  if (memory_.vitals() == nullptr) return absl::ZeroDuration();
  peer_watch_.Look(memory_.vitals()->controlplane.turn(), now);
  return peer_watch_.silence();
}

absl::Status DataplaneEnd::HandlePeer() {
  uint8_t byte;
  absl::StatusOr<Packet> packet = ReceivePacket(peer_.get(), absl::MakeSpan(&byte, 1));
  if (!packet.ok()) return packet.status();
  if (!packet->arrived) return absl::OkStatus();
  if (packet->bytes == 0) return absl::UnavailableError("hung up");
  return absl::DataLossError("sent a packet after the handshake");
}

Welcome DataplaneEnd::MakeWelcome() const {
  Welcome welcome;
  welcome.sizes = OwnSizes();
  welcome.instance = instance_;
  welcome.generation = generation_;
  welcome.worker_count = options_.worker_count;
  welcome.port_count = static_cast<uint32_t>(options_.ports.size());
  welcome.request_capacity = options_.capacities.request_capacity;
  welcome.response_capacity = options_.capacities.response_capacity;
  welcome.arena_slot_count = options_.capacities.arena_slot_count;
  welcome.arena_slot_bytes = options_.capacities.arena_slot_bytes;
  std::copy(options_.ports.begin(), options_.ports.end(), welcome.ports);
  return welcome;
}

absl::Status DataplaneEnd::Connect(Pending pending) {
  GW_ASSIGN_OR_RETURN(SharedMemory memory, SharedMemory::Create(options_.capacities));
  GW_ASSIGN_OR_RETURN(Doorbell request_doorbell, NewDoorbell());
  GW_ASSIGN_OR_RETURN(Doorbell response_doorbell, NewDoorbell());
  Welcome welcome = MakeWelcome();
  welcome.accepted = 1;
  std::memcpy(memory.header(), &welcome, sizeof(welcome));
  GW_RETURN_IF_ERROR(WatchFd(epoll_.get(), request_doorbell.listener.get(), EPOLLIN));
  GW_RETURN_IF_ERROR(
      SendPacket(pending.socket.get(), BytesOf(welcome),
                 {memory.file(), request_doorbell.ringer.get(), response_doorbell.listener.get()}));
  peer_ = std::move(pending.socket);
  peer_process_id_ = pending.process_id;
  request_doorbell_ = std::move(request_doorbell.listener);
  response_doorbell_ = std::move(response_doorbell.ringer);
  memory_ = std::move(memory);
  requests_ = {memory_.request_ring(), options_.capacities.request_capacity, "request ring"};
  responses_ = {memory_.response_ring(), options_.capacities.response_capacity, "response ring"};
  Log(absl::StrCat("control plane connected: process ", peer_process_id_));
  return absl::OkStatus();
}

void DataplaneEnd::Refuse(const Pending& pending, const std::string& why) {
  Welcome welcome = MakeWelcome();
  why.copy(welcome.refusal, sizeof(welcome.refusal) - 1);
  SendPacket(pending.socket.get(), BytesOf(welcome), {}).IgnoreError();
  Log(absl::StrCat("control plane refused: process ", pending.process_id, ": ", why));
}

absl::StatusOr<size_t> DataplaneEnd::ReadRequests(absl::Span<Request> into) {
  if (!peer_.valid()) return absl::UnavailableError("no control plane is connected");
  eventfd_t ignored;
  (void)eventfd_read(work_left_.get(), &ignored);
  const absl::StatusOr<size_t> count = requests_.Pop(into);
  if (!count.ok()) return Lose(count.status());
  const absl::StatusOr<uint32_t> left = requests_.Available();
  if (!left.ok()) return Lose(left.status());
  if (*left > 0) (void)eventfd_write(work_left_.get(), 1);
  return *count;
}

absl::Status DataplaneEnd::SendResponses(absl::Span<const Response> responses) {
  if (!peer_.valid()) return absl::UnavailableError("no control plane is connected");
  absl::Status status;
  for (const Response& response : responses) {
    status = responses_.Push(response);
    if (!status.ok()) break;
  }
  if (absl::IsResourceExhausted(status)) {
    status = absl::DataLossError("response ring is full: responses are not taken");
  }
  if (!status.ok()) return Lose(status);
  if (!responses.empty()) RingDoorbell(response_doorbell_.get());
  return absl::OkStatus();
}

ArenaView DataplaneEnd::arena() const { return memory_.arena(); }
CountersRegion* DataplaneEnd::counters() const { return memory_.counters(); }

absl::Status DataplaneEnd::Lose(const absl::Status& why) {
  Disconnect(std::string(why.message()));
  return why;
}

void DataplaneEnd::Disconnect(const std::string& why) {
  Log(absl::StrCat("control plane disconnected: process ", peer_process_id_, ": ", why));
  // Descriptors that somebody else holds, too, stay in the set when they are closed here.
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, request_doorbell_.get(), nullptr);
  peer_.reset();
  peer_process_id_ = 0;
  request_doorbell_.reset();
  response_doorbell_.reset();
  memory_ = SharedMemory();
  peer_watch_ = BeatWatch();
  requests_ = {};
  responses_ = {};
  eventfd_t ignored;
  (void)eventfd_read(work_left_.get(), &ignored);
}

void DataplaneEnd::Log(const std::string& line) const {
  if (options_.log) options_.log(line);
}

}  // namespace guideway::channel
