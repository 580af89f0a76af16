// The ICMP probe: one echo request, RFC 792 and RFC 4443 section 4.1, and its reply.
//
// A ping socket needs no privilege but net.ipv4.ping_group_range; a raw one CAP_NET_RAW. Both are
// connected, so the kernel hands over what the backend sends and nothing else.
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controlplane/health/socket_probe.h"
#include "lib/net/big_endian.h"

namespace guideway {
namespace {

// Type, code, checksum, identifier, sequence: the same in both versions.
struct EchoHeader {
  uint8_t type;
  uint8_t code;
  uint16_t checksum;    // as on the wire
  uint16_t identifier;  // the kernel's with a ping socket
  uint16_t sequence;
};
static_assert(sizeof(EchoHeader) == 8);

struct EchoMessage {
  EchoHeader header;
  std::array<uint8_t, 16> token;  // random, so that nobody else's reply counts
};

// RFC 1071. The kernel computes that of a ping socket and of ICMPv6.
uint16_t Checksum(const void* data, size_t size_bytes) {
  uint32_t sum = 0;
  const auto* bytes = static_cast<const uint8_t*>(data);
  for (size_t i = 0; i + 1 < size_bytes; i += 2) {
    uint16_t word = 0;
    std::memcpy(&word, bytes + i, sizeof(word));
    sum += word;
  }
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

class IcmpProbe : public SocketProbe {
 public:
  IcmpProbe(EventLoop* loop, const ProbeRequest& request, ProbeDone done)
      : SocketProbe(loop, request, std::move(done)), ipv4_(request.address.IsIpv4()) {
    const int family = ipv4_ ? AF_INET : AF_INET6;
    const int protocol = ipv4_ ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6};
    socket_.reset(socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
    raw_ = !socket_.valid();
    if (!Connect(SOCK_RAW, protocol)) return;
    if (raw_) HearRepliesOnly();
    // Short reads are whole; before the kernel's pool is ready this would fail, which only makes
    // the token guessable.
    [[maybe_unused]] ssize_t got = getrandom(message_.token.data(), message_.token.size(), 0);
    message_.header = {.type = static_cast<uint8_t>(ipv4_ ? int{ICMP_ECHO} : ICMP6_ECHO_REQUEST),
                       .code = 0,
                       .checksum = 0,
                       .identifier = 0,
                       .sequence = Be16(1).wire()};
    std::memcpy(&message_.header.identifier, message_.token.data(),
                2);  // a ping socket sets its own
    if (ipv4_) message_.header.checksum = Checksum(&message_, sizeof(message_));
    if (send(socket_.get(), &message_, sizeof(message_), MSG_NOSIGNAL) < 0) {
      FinishSoon(OfCall("send", errno));
      return;
    }
    Await(EPOLLIN, [this](uint32_t) { Read(); });
  }

 private:
  void HearRepliesOnly() {
    if (ipv4_) {
      icmp_filter filter{};
      filter.data = ~(1U << ICMP_ECHOREPLY);
      setsockopt(socket_.get(), SOL_RAW, ICMP_FILTER, &filter, sizeof(filter));
      return;
    }
    icmp6_filter filter;
    ICMP6_FILTER_SETBLOCKALL(&filter);
    ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
    setsockopt(socket_.get(), IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter));
  }

  void Read() {
    std::array<uint8_t, 256> buffer;
    const ssize_t got = recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (got < 0) {
      if (errno != EAGAIN && errno != EINTR) Finish(OfAnswer("ping", errno));
      return;
    }
    // A raw IPv4 socket gives the IP header, too.
    size_t skip_bytes = 0;
    if (raw_ && ipv4_ && got > 0) skip_bytes = static_cast<size_t>(buffer[0] & 0xf) * 4;
    EchoMessage reply{};
    if (static_cast<size_t>(got) < skip_bytes + sizeof(reply)) return;
    std::memcpy(&reply, buffer.data() + skip_bytes, sizeof(reply));
    const int wanted = ipv4_ ? int{ICMP_ECHOREPLY} : ICMP6_ECHO_REPLY;
    if (reply.header.type != wanted || reply.token != message_.token) return;
    Finish({ProbeResult::Outcome::kSuccess, "echo reply"});
  }

  const bool ipv4_;
  bool raw_ = false;
  EchoMessage message_{};
};

}  // namespace

std::unique_ptr<Probe> StartIcmpProbe(EventLoop* loop, const ProbeRequest& request,
                                      ProbeDone done) {
  return std::make_unique<IcmpProbe>(loop, request, std::move(done));
}

}  // namespace guideway
