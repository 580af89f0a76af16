#include "lib/channel/handshake.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cstring>

#include "absl/strings/str_format.h"
#include "lib/base/status.h"
#include "lib/channel/vitals.h"

namespace guideway::channel {
namespace {

constexpr size_t kMaxDescriptors = 3;

}  // namespace

Sizes OwnSizes() {
  Sizes sizes;
  sizes.counters_bytes = sizeof(CountersRegion);
  sizes.vitals_bytes = sizeof(Vitals);
  return sizes;
}

absl::Status CheckIdentity(const std::string& peer, uint64_t magic, uint32_t version,
                           const Sizes& sizes) {
  if (magic != kMagic) {
    return absl::FailedPreconditionError(
        absl::StrFormat("magic: %s has 0x%x, expected is 0x%x", peer, magic, kMagic));
  }
  const Sizes own = OwnSizes();
  const struct {
    const char* name;
    uint32_t theirs;
    uint32_t ours;
  } fields[] = {
      {"protocol version", version, kProtocolVersion},
      {"request_bytes", sizes.request_bytes, own.request_bytes},
      {"response_bytes", sizes.response_bytes, own.response_bytes},
      {"slot_bytes", sizes.slot_bytes, own.slot_bytes},
      {"counters_bytes", sizes.counters_bytes, own.counters_bytes},
      {"vitals_bytes", sizes.vitals_bytes, own.vitals_bytes},
      {"counter_count", sizes.counter_count, own.counter_count},
      {"drop_reason_count", sizes.drop_reason_count, own.drop_reason_count},
      {"reserved", sizes.reserved, own.reserved},
  };
  static_assert(sizeof(Sizes) == 8 * sizeof(uint32_t), "a new size must be compared here");
  for (const auto& field : fields) {
    if (field.theirs == field.ours) continue;
    return absl::FailedPreconditionError(
        absl::StrCat(field.name, ": ", peer, " has ", field.theirs, ", expected is ", field.ours));
  }
  return absl::OkStatus();
}

absl::StatusOr<Packet> ReceivePacket(int socket, absl::Span<uint8_t> into) {
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxDescriptors * sizeof(int))] = {};
  iovec part = {into.data(), into.size()};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  const ssize_t received = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | MSG_TRUNC);
  Packet packet;
  if (received < 0) {
    if (errno == EAGAIN || errno == EINTR) return packet;
    return ErrnoStatus(errno, "receive on the channel's socket");
  }
  packet.arrived = true;
  packet.bytes = static_cast<size_t>(received);
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
      packet.descriptors.emplace_back(fd);
    }
  }
  return packet;
}

absl::Status SendPacket(int socket, absl::Span<const uint8_t> packet,
                        absl::Span<const int> descriptors) {
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxDescriptors * sizeof(int))] = {};
  iovec part = {const_cast<uint8_t*>(packet.data()), packet.size()};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    const size_t bytes = descriptors.size() * sizeof(int);
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(bytes);
    cmsghdr* c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(bytes);
    std::memcpy(CMSG_DATA(c), descriptors.data(), bytes);
  }
  if (sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
    return ErrnoStatus(errno, "send on the channel's socket");
  }
  return absl::OkStatus();
}

absl::StatusOr<Doorbell> NewDoorbell() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) {
    return ErrnoStatus(errno, "make a doorbell");
  }
  return Doorbell{.ringer = UniqueFd(ends[0]), .listener = UniqueFd(ends[1])};
}

void RingDoorbell(int ringer) {
  const uint8_t ring = 1;
  (void)send(ringer, &ring, sizeof(ring), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void ClearDoorbell(int listener) {
  constexpr int kMostRings = 1024;  // more than a socket's queue holds by default
  uint8_t ring;
  for (int i = 0; i < kMostRings; ++i) {
    if (recv(listener, &ring, sizeof(ring), MSG_DONTWAIT) < 0) return;
  }
}

}  // namespace guideway::channel
