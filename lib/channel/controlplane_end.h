// The control plane's end of the channel: connects, shakes hands, sends requests, takes responses.
//
// Non-blocking: watch socket_fd() from Connect() on (readable: FinishHandshake() before,
// CheckPeer() after the handshake) and doorbell_fd() after it (readable: PollResponses()). After
// any DataLoss or Unavailable destroy the object and connect again. Thread safety: one thread.
#ifndef GUIDEWAY_LIB_CHANNEL_CONTROLPLANE_END_H_
#define GUIDEWAY_LIB_CHANNEL_CONTROLPLANE_END_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "lib/base/unique_fd.h"
#include "lib/channel/layout.h"
#include "lib/channel/ring.h"
#include "lib/channel/shared_memory.h"
#include "lib/channel/vitals.h"

namespace guideway::channel {

class ControlplaneEnd {
 public:
  // Connects and says Hello. Unavailable, naming the path, if no data plane listens there.
  static absl::StatusOr<std::unique_ptr<ControlplaneEnd>> Connect(const std::string& path);
  ControlplaneEnd(const ControlplaneEnd&) = delete;
  ControlplaneEnd& operator=(const ControlplaneEnd&) = delete;

  // True when the channel is ready, false if the data plane has not answered yet. Errors:
  // FailedPrecondition with the reason (the data plane refuses, or a field of its answer does not
  // fit, named with both values), Unavailable (hung up).
  absl::StatusOr<bool> FinishHandshake();
  // FinishHandshake(), waiting for at most `timeout` (DeadlineExceeded). Tests and tools only.
  absl::Status WaitForHandshake(absl::Duration timeout);

  int socket_fd() const { return socket_.get(); }
  int doorbell_fd() const { return response_doorbell_.get(); }  // -1 before the handshake
  bool ready() const { return ready_; }
  // What the data plane said: instance, generation, ports, capacities. Checked; after the
  // handshake only. Not updated later: responses carry the current generation.
  const Welcome& welcome() const { return welcome_; }

  // Unavailable if the data plane has hung up; Aborted if it has done so because another control
  // plane, which the message names, has taken the place of this one.
  absl::Status CheckPeer() const;

  // Writes the board that the data plane sees. Call it every kBeatInterval, after the handshake.
  void Beat();
  // What the data plane says of itself. False: nothing new can be read just now. After the
  // handshake only; text is checked to end.
  bool ReadVitals(DataplaneVitals* vitals) const;
  // Changes with each turn of the data plane's manager.
  uint64_t vitals_turn() const;

  // Puts a request into the ring and returns its sequence number (request.sequence is overwritten).
  // ResourceExhausted: poll responses first (the ring is full, or so many responses are owed that
  // theirs would be). The data plane looks at it after Flush().
  absl::StatusOr<uint32_t> Queue(Request request);
  // Rings the data plane's doorbell.
  void Flush();
  // Queue() and Flush().
  absl::StatusOr<uint32_t> Send(const Request& request);
  // Requests that can be queued now without an error.
  absl::StatusOr<uint32_t> Room() const;

  // Copies up to into.size() responses out, in the order of the requests; 0 if none. When
  // doorbell_fd() is readable, call it until it returns 0: it takes the rings with the first
  // response. DataLoss if the ring is corrupt or a response does not belong to the oldest open
  // request.
  absl::StatusOr<size_t> PollResponses(absl::Span<Response> into);
  // Requests whose response is still to come.
  uint32_t open_requests() const { return next_sequence_ - next_response_; }

  // Arena slot `slot`, to be written before the kSetPool that names it is queued and left alone
  // until that is answered. Empty if there is no such slot.
  uint32_t arena_slot_count() const { return welcome_.arena_slot_count; }
  absl::Span<MaglevSlot> arena_slot(uint32_t slot) const { return memory_.arena_slot(slot); }
  // A copy of the counters, as of the last answered kReadCounters. After the handshake only.
  void ReadCounters(CountersRegion* copy) const;
  // A copy of what the last answered kLookupFlow found. After the handshake only.
  FlowLookup ReadFlowLookup() const;

 private:
  ControlplaneEnd() = default;
  absl::Status CheckWelcome(const Welcome& welcome) const;
  absl::Status Attach(UniqueFd file);

  std::string path_;
  UniqueFd socket_;
  bool ready_ = false;
  Welcome welcome_;
  UniqueFd request_doorbell_;   // ringer
  UniqueFd response_doorbell_;  // listener
  SharedMemory memory_;
  RingProducer<Request> requests_;
  RingConsumer<Response> responses_;
  uint64_t turn_ = 0;           // of the board
  uint32_t next_sequence_ = 0;  // of the next request
  uint32_t next_response_ = 0;  // of the oldest open request
};

}  // namespace guideway::channel

#endif  // GUIDEWAY_LIB_CHANNEL_CONTROLPLANE_END_H_
