// The handshake's packets on the Unix socket: sending and receiving them with descriptors, and
// comparing the sizes both ends were built with.
//
// Internal to the two ends. Never blocks. Thread safety: pure functions over descriptors.
#ifndef GUIDEWAY_LIB_CHANNEL_HANDSHAKE_H_
#define GUIDEWAY_LIB_CHANNEL_HANDSHAKE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lib/base/unique_fd.h"
#include "lib/channel/layout.h"

namespace guideway::channel {

// The sizes this end was built with.
Sizes OwnSizes();

// Magic, version and sizes of the peer against our own. FailedPrecondition naming the first field
// that differs, both values, and `peer` ("the control plane").
absl::Status CheckIdentity(const std::string& peer, uint64_t magic, uint32_t version,
                           const Sizes& sizes);

struct Packet {
  size_t bytes = 0;      // as sent, even if longer than the buffer; 0: the peer hung up
  bool arrived = false;  // false: nothing there yet
  std::vector<UniqueFd> descriptors;
};
// Takes one packet into `into`, at most `into.size()` bytes of it.
absl::StatusOr<Packet> ReceivePacket(int socket, absl::Span<uint8_t> into);

// Sends one packet with `descriptors` (borrowed).
absl::Status SendPacket(int socket, absl::Span<const uint8_t> packet,
                        absl::Span<const int> descriptors);

// One direction's doorbell: two ends of a datagram socket pair, one for each process. Not an
// eventfd: its flags are shared with the peer, who could make it blocking at any moment and fill
// it, whereas a send or receive on a socket can be told each time not to wait.
struct Doorbell {
  UniqueFd ringer;
  UniqueFd listener;
};
absl::StatusOr<Doorbell> NewDoorbell();
// Never blocks. A full doorbell needs no further ring.
void RingDoorbell(int ringer);
// Takes the rings that are there. Never blocks; bounded, so after more than a few hundred rings the
// listener may stay readable.
void ClearDoorbell(int listener);

template <typename T>
absl::Span<uint8_t> BytesOf(T* value) {
  return {reinterpret_cast<uint8_t*>(value), sizeof(T)};
}
template <typename T>
absl::Span<const uint8_t> BytesOf(const T& value) {
  return {reinterpret_cast<const uint8_t*>(&value), sizeof(T)};
}

}  // namespace guideway::channel

#endif  // GUIDEWAY_LIB_CHANNEL_HANDSHAKE_H_
