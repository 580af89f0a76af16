#include "lib/channel/controlplane_end.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/time/clock.h"
#include "lib/base/status.h"
#include "lib/channel/handshake.h"
#include "lib/channel/unix_socket.h"

namespace guideway::channel {
namespace {

constexpr char kPeer[] = "the data plane";

template <size_t kBytes>
bool Terminated(const char (&text)[kBytes]) {
  return std::memchr(text, 0, kBytes) != nullptr;
}

absl::Status Unfit(const std::string& field, uint64_t value, const std::string& expected) {
  return absl::FailedPreconditionError(
      absl::StrCat(field, ": ", kPeer, " has ", value, ", expected is ", expected));
}

Capacities CapacitiesOf(const Welcome& welcome) {
  return {.request_capacity = welcome.request_capacity,
          .response_capacity = welcome.response_capacity,
          .arena_slot_count = welcome.arena_slot_count,
          .arena_slot_bytes = welcome.arena_slot_bytes};
}

}  // namespace

absl::StatusOr<std::unique_ptr<ControlplaneEnd>> ControlplaneEnd::Connect(const std::string& path) {
  std::unique_ptr<ControlplaneEnd> end(new ControlplaneEnd());
  end->path_ = path;
  GW_ASSIGN_OR_RETURN(end->socket_, ConnectTo(path));
  Hello hello;
  hello.process_id = static_cast<uint32_t>(getpid());
  hello.sizes = OwnSizes();
  const absl::Status status = SendPacket(end->socket_.get(), BytesOf(hello), {});
  if (!status.ok()) return absl::UnavailableError(absl::StrCat(path, ": ", status.message()));
  return end;
}

absl::StatusOr<bool> ControlplaneEnd::FinishHandshake() {
  if (ready_) return true;
  Welcome welcome;
  absl::StatusOr<Packet> packet = ReceivePacket(socket_.get(), BytesOf(&welcome));
  if (!packet.ok()) return absl::UnavailableError(packet.status().message());
  if (!packet->arrived) return false;
  if (packet->bytes == 0) {
    return absl::UnavailableError(absl::StrCat(path_, ": ", kPeer, " hung up"));
  }
  // Up to `refusal` the layout is the same in every version.
  if (packet->bytes < offsetof(Welcome, sizes)) {
    return Unfit("welcome bytes", packet->bytes, absl::StrCat(sizeof(Welcome)));
  }
  if (welcome.magic == kMagic && welcome.accepted == 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        path_, ": refused by ", kPeer, ": ",
        std::string(welcome.refusal, strnlen(welcome.refusal, sizeof(welcome.refusal)))));
  }
  GW_RETURN_IF_ERROR(CheckIdentity(kPeer, welcome.magic, welcome.version, OwnSizes()));
  if (packet->bytes != sizeof(Welcome)) {
    return Unfit("welcome bytes", packet->bytes, absl::StrCat(sizeof(Welcome)));
  }
  GW_RETURN_IF_ERROR(CheckWelcome(welcome));
  if (packet->descriptors.size() != 3) {
    return Unfit("descriptors", packet->descriptors.size(), "3");
  }
  welcome_ = welcome;
  request_doorbell_ = std::move(packet->descriptors[1]);
  response_doorbell_ = std::move(packet->descriptors[2]);
  GW_RETURN_IF_ERROR(Attach(std::move(packet->descriptors[0])));
  ready_ = true;
  return true;
}

absl::Status ControlplaneEnd::CheckWelcome(const Welcome& welcome) const {
  GW_RETURN_IF_ERROR(CheckIdentity(kPeer, welcome.magic, welcome.version, welcome.sizes));
  if (welcome.accepted != 1) return Unfit("accepted", welcome.accepted, "0 or 1");
  if (welcome.worker_count > kMaxWorkers) {
    return Unfit("worker_count", welcome.worker_count, absl::StrCat("at most ", kMaxWorkers));
  }
  if (welcome.port_count > kMaxPorts) {
    return Unfit("port_count", welcome.port_count, absl::StrCat("at most ", kMaxPorts));
  }
  for (uint32_t i = 0; i < welcome.port_count; ++i) {
    if (Terminated(welcome.ports[i].name) && Terminated(welcome.ports[i].kernel_interface)) {
      continue;
    }
    return absl::FailedPreconditionError(absl::StrCat("ports[", i, "]: a name does not end"));
  }
  absl::Status geometry = Geometry::Compute(CapacitiesOf(welcome)).status();
  if (geometry.ok()) return geometry;
  return absl::FailedPreconditionError(absl::StrCat(kPeer, ": ", geometry.message()));
}

absl::Status ControlplaneEnd::Attach(UniqueFd file) {
  GW_ASSIGN_OR_RETURN(memory_, SharedMemory::Attach(std::move(file), CapacitiesOf(welcome_)));
  if (std::memcmp(memory_.header(), &welcome_, sizeof(welcome_)) != 0) {
    return absl::FailedPreconditionError(
        "header: the channel's memory begins with something else than the data plane's welcome");
  }
  requests_ = {memory_.request_ring(), welcome_.request_capacity, "request ring"};
  responses_ = {memory_.response_ring(), welcome_.response_capacity, "response ring"};
  return absl::OkStatus();
}

absl::Status ControlplaneEnd::WaitForHandshake(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  while (true) {
    GW_ASSIGN_OR_RETURN(const bool done, FinishHandshake());
    if (done) return absl::OkStatus();
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) {
      return absl::DeadlineExceededError(absl::StrCat(path_, ": ", kPeer, " does not answer"));
    }
    pollfd wait = {socket_.get(), POLLIN, 0};
    poll(&wait, 1, static_cast<int>(absl::ToInt64Milliseconds(left) + 1));
  }
}

absl::Status ControlplaneEnd::CheckPeer() const {
  Farewell farewell;
  const ssize_t received =
      recv(socket_.get(), &farewell, sizeof(farewell), MSG_DONTWAIT | MSG_PEEK);
  if (received < 0 && (errno == EAGAIN || errno == EINTR)) return absl::OkStatus();
  if (received == sizeof(farewell) && farewell.magic == kMagic) {
    return absl::AbortedError(absl::StrCat("the control plane of process ",
                                           farewell.successor_process_id,
                                           " has taken the place of this one, which had hung"));
  }
  return absl::UnavailableError(absl::StrCat(path_, ": ", kPeer, " hung up"));
}

absl::StatusOr<uint32_t> ControlplaneEnd::Room() const {
  if (!ready_) return absl::FailedPreconditionError("the handshake is not finished");
  GW_ASSIGN_OR_RETURN(const uint32_t room, requests_.Room());
  // The data plane hangs up on a peer whose responses find no room.
  return std::min(room, welcome_.response_capacity - open_requests());
}

absl::StatusOr<uint32_t> ControlplaneEnd::Queue(Request request) {
  GW_ASSIGN_OR_RETURN(const uint32_t room, Room());
  if (room == 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the channel is full: ", open_requests(), " requests are not answered yet"));
  }
  request.sequence = next_sequence_;
  GW_RETURN_IF_ERROR(requests_.Push(request));
  return next_sequence_++;
}

void ControlplaneEnd::Flush() { RingDoorbell(request_doorbell_.get()); }

absl::StatusOr<uint32_t> ControlplaneEnd::Send(const Request& request) {
  absl::StatusOr<uint32_t> sequence = Queue(request);
  if (sequence.ok()) Flush();
  return sequence;
}

absl::StatusOr<size_t> ControlplaneEnd::PollResponses(absl::Span<Response> into) {
  if (!ready_) return absl::FailedPreconditionError("the handshake is not finished");
  // Before the ring is looked at, so that no later response goes unnoticed.
  ClearDoorbell(response_doorbell_.get());
  GW_ASSIGN_OR_RETURN(const size_t count, responses_.Pop(into));
  for (size_t i = 0; i < count; ++i) {
    if (open_requests() == 0 || into[i].sequence != next_response_) {
      return absl::DataLossError(absl::StrCat("response ring: a response to request ",
                                              into[i].sequence, ", expected is ", next_response_));
    }
    ++next_response_;
  }
  return count;
}

void ControlplaneEnd::Beat() {
  if (!ready_) return;
  ++turn_;
  memory_.vitals()->controlplane.Write(turn_, {.turns = turn_});
}

bool ControlplaneEnd::ReadVitals(DataplaneVitals* vitals) const {
  DataplaneVitals read;
  if (!ready_ || !memory_.vitals()->dataplane.Read(&read)) return false;
  for (const PortVitals& port : read.ports) {
    if (!Terminated(port.kernel_interface)) return false;
  }
  *vitals = read;
  return true;
}

uint64_t ControlplaneEnd::vitals_turn() const {
  return ready_ ? memory_.vitals()->dataplane.turn() : 0;
}

void ControlplaneEnd::ReadCounters(CountersRegion* copy) const {
  if (ready_) std::memcpy(copy, memory_.counters(), sizeof(CountersRegion));
}

FlowLookup ControlplaneEnd::ReadFlowLookup() const {
  FlowLookup copy;
  if (ready_) std::memcpy(&copy, &memory_.counters()->flow_lookup, sizeof(copy));
  return copy;
}

}  // namespace guideway::channel
