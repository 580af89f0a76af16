// The data plane's end of the channel: listens, shakes hands, takes requests, sends responses.
//
// One control plane at a time, but one that hangs gives way to the next one that connects. Event
// driven and never blocking: watch fd() (level-triggered EPOLLIN; it is an epoll set that holds the
// sockets and the doorbell) and call HandleEvents() when it is readable. Every connection gets new
// shared memory, so nothing of a former peer is left. A peer that misbehaves (an impossible ring
// index, responses never taken) is disconnected; the tables in force are not the channel's business
// and stay. Thread safety: one thread (the manager).
//
//   epoll_wait -> HandleEvents() -> while ReadRequests(): apply each -> SendResponses()
#ifndef GUIDEWAY_LIB_CHANNEL_DATAPLANE_END_H_
#define GUIDEWAY_LIB_CHANNEL_DATAPLANE_END_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "lib/base/file_identity.h"
#include "lib/base/unique_fd.h"
#include "lib/channel/beat_watch.h"
#include "lib/channel/layout.h"
#include "lib/channel/ring.h"
#include "lib/channel/shared_memory.h"
#include "lib/channel/vitals.h"

namespace guideway::channel {

class DataplaneEnd {
 public:
  struct Options {
    std::string socket_path;  // made with mode 0660, removed by the destructor if it is there
    Capacities capacities;
    uint32_t worker_count = 0;    // 0..kMaxWorkers
    std::vector<PortInfo> ports;  // at most kMaxPorts
    // Called with one line on connects, disconnects and refusals; may be empty.
    std::function<void(const std::string&)> log;
  };

  // Listens. A socket file left by a dead process is replaced; if a live one listens there, or the
  // path is not a socket, it is refused by name.
  static absl::StatusOr<std::unique_ptr<DataplaneEnd>> Listen(Options options);
  ~DataplaneEnd();
  DataplaneEnd(const DataplaneEnd&) = delete;
  DataplaneEnd& operator=(const DataplaneEnd&) = delete;

  // Looks whether the socket's file is still the one that was made here, and where it is gone or
  // another's, listens anew by the rules of Listen(); the connection stays. True: it did. An error:
  // why no other control plane can connect now; call it again. Once a second or so.
  absl::StatusOr<bool> KeepListening();
  const std::string& socket_path() const { return options_.socket_path; }

  // Readable when HandleEvents() or ReadRequests() has something to do.
  int fd() const { return epoll_.get(); }

  struct Events {
    bool connected = false;     // a control plane has finished its handshake
    bool disconnected = false;  // the control plane is gone: abort its transaction
    bool requests = false;      // ReadRequests() may have something
  };
  // Accepts, shakes hands, notices hang-ups; bounded work, never blocks. `disconnected` and
  // `connected` may both be set (gone, and a new one is there), in that order.
  Events HandleEvents();

  // Copies up to into.size() requests out of the ring; 0 if none. If more are left, fd() stays
  // readable. DataLoss: the ring was corrupted and the peer is disconnected (no event follows:
  // abort its transaction). Unavailable: nobody is connected.
  absl::StatusOr<size_t> ReadRequests(absl::Span<Request> into);
  // Sends, and rings the doorbell once. Same errors; a peer that lets its response ring run full
  // has broken the protocol and is disconnected as well (DataLoss).
  absl::Status SendResponses(absl::Span<const Response> responses);

  // Writes the board that the peer sees; without one nothing. Call it every kBeatInterval at least.
  void Beat(const DataplaneVitals& vitals);
  // For how long looks have seen the peer not move; zero without one. Call it as often; `now`
  // monotonic. From kControlplaneSilenceLimit on it counts as hung.
  absl::Duration LookAtPeer(absl::Duration now);
  bool peer_hangs() const { return peer_watch_.silence() >= kControlplaneSilenceLimit; }

  // The generation that the next handshake reports. Call it whenever tables come into force.
  void SetGeneration(uint64_t generation) { generation_ = generation; }

  // As a later handshake tells the port with this index.
  void SetPort(size_t index, const char (&kernel_interface)[16], const MacAddress& mac,
               uint16_t mtu_bytes);

  bool connected() const { return peer_.valid(); }
  uint32_t peer_process_id() const { return peer_process_id_; }  // from the kernel; 0 if none
  uint64_t instance() const { return instance_; }
  // The connection's arena and counters; empty and nullptr if nobody is connected. Never read what
  // stands in counters(): the peer may have written it.
  ArenaView arena() const;
  CountersRegion* counters() const;

 private:
  struct Pending {  // connected, has not said Hello yet
    UniqueFd socket;
    uint32_t process_id = 0;
  };
  explicit DataplaneEnd(Options options) : options_(std::move(options)) {}
  absl::Status Open();
  absl::Status ListenAnew();
  void Accept();
  void HandlePending(int socket, Events* events);
  absl::Status HandlePeer();  // an error: why it is to be disconnected
  absl::Status Connect(Pending pending);
  void Refuse(const Pending& pending, const std::string& why);
  Welcome MakeWelcome() const;
  absl::Status Lose(const absl::Status& why);  // disconnects; returns `why`
  void Disconnect(const std::string& why);
  void Replace(uint32_t successor_process_id);
  void Log(const std::string& line) const;

  Options options_;
  uint64_t instance_ = 0;
  uint64_t generation_ = 0;
  UniqueFd epoll_;
  UniqueFd listener_;
  UniqueFd work_left_;  // private eventfd: keeps fd() readable while requests are left
  std::optional<FileIdentity> socket_file_;  // that listener_ made
  std::vector<Pending> pending_;

  UniqueFd peer_;
  uint32_t peer_process_id_ = 0;
  UniqueFd request_doorbell_;   // listener
  UniqueFd response_doorbell_;  // ringer
  SharedMemory memory_;
  uint64_t turn_ = 0;  // of the board
  BeatWatch peer_watch_;
  RingConsumer<Request> requests_;
  RingProducer<Response> responses_;
};

}  // namespace guideway::channel

#endif  // GUIDEWAY_LIB_CHANNEL_DATAPLANE_END_H_
