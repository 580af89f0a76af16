// A host in a network namespace of its own: addresses on lo, one TCP connection for each family,
// and the programs, run on single frames. Needs CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_BPF.
//
// The namespace is the process' and ends with it. One thread.
#ifndef GUIDEWAY_TESTS_UNIT_DECAP_DECAP_BENCH_H_
#define GUIDEWAY_TESTS_UNIT_DECAP_DECAP_BENCH_H_

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "dataplane/decap/attach.h"
#include "dataplane/decap/stats.h"

namespace guideway {

using Bytes = std::vector<uint8_t>;

struct Outcome {
  uint32_t action = 0;  // XDP_PASS, XDP_DROP
  Bytes frame;
  std::string verdict;  // the only counter that grew, by one; else "?"
};

inline Bytes FromHex(const std::string& hex) {
  const std::string bytes = absl::HexStringToBytes(hex);
  return {bytes.begin(), bytes.end()};
}

class DecapBench {
 public:
  static constexpr int kClientPort = 40000, kPort = 443;

  // All tests share one: setting up takes longer than running.
  static DecapBench& Get() {
    static DecapBench bench;
    return bench;
  }

  Outcome Run(const Bytes& frame) {
    Outcome outcome;
    const VerdictCounts before = ReadVerdicts(programs_->verdicts_fd()).value();
    outcome.frame.resize(frame.size() + 256);
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.data(),
                .data_out = outcome.frame.data(),
                .data_size_in = static_cast<uint32_t>(frame.size()),
                .data_size_out = static_cast<uint32_t>(outcome.frame.size()), .repeat = 1);
    REQUIRE(bpf_prog_test_run_opts(programs_->xdp_fd(), &options) == 0);
    outcome.action = options.retval;
    outcome.frame.resize(options.data_size_out);
    const VerdictCounts after = ReadVerdicts(programs_->verdicts_fd()).value();
    for (size_t i = 0; i < after.size(); ++i) {
      if (after[i] == before[i]) continue;
      outcome.verdict =
          after[i] == before[i] + 1 && outcome.verdict.empty() ? kVerdictNames[i].name : "?";
    }
    return outcome;
  }

  DecapPrograms* programs() { return programs_.get(); }

  // The server's end first, then the client's: the server is in TIME_WAIT then.
  static int Connect(int listener, int family, int client_port, int* client) {
    *client = socket(family, SOCK_STREAM, 0);
    const int one = 1;
    setsockopt(*client, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    Bind(*client, family, family == AF_INET ? "192.0.2.10" : "2001:db8:c::10", client_port);
    const auto [address, length] =
        Address(family, family == AF_INET ? "198.51.100.7" : "2001:db8:a::7", kPort);
    REQUIRE(connect(*client, reinterpret_cast<const sockaddr*>(&address), length) == 0);
    const int server = accept(listener, nullptr, nullptr);
    REQUIRE(server >= 0);
    return server;
  }

  int listener(int family) { return listeners_[family]; }

 private:
  DecapBench() {
    REQUIRE(unshare(CLONE_NEWNET) == 0);
    REQUIRE(std::system("ip link set lo up && "
                        "for a in 198.51.100.7 192.0.2.10 10.0.0.1; do ip addr add $a dev lo; done "
                        "&& for a in 2001:db8:a::7 2001:db8:c::10 2001:db8:b::1; do "
                        "ip addr add $a dev lo nodad; done") == 0);
    for (const int family : {AF_INET, AF_INET6}) {
      const int listener = socket(family, SOCK_STREAM, 0);
      Bind(listener, family, family == AF_INET ? "198.51.100.7" : "2001:db8:a::7", kPort);
      REQUIRE(listen(listener, 16) == 0);
      listeners_[family] = listener;
      // Lives as long as the process, like the others.
      Bind(socket(family, SOCK_DGRAM, 0), family,
           family == AF_INET ? "198.51.100.7" : "2001:db8:a::7", kPort);
      int client = -1;
      Connect(listener, family, kClientPort, &client);  // both ends live as long as the process
    }
    DecapConfig config;
    config.interface = "lo";
    config.interface_index = config.next_hop_index = 1;
    config.vips = {IpAddress::Parse("198.51.100.7").value(),
                   IpAddress::Parse("2001:db8:a::7").value()};
    config.from = {IpPrefix::Parse("10.0.1.0/24").value(),
                   IpPrefix::Parse("2001:db8:1b::/64").value()};
    config.locals = {IpAddress::Parse("10.0.0.1").value(),
                     IpAddress::Parse("2001:db8:b::1").value()};
    config.l3dsr4 = {{10, config.vips.front()}};
    config.l3dsr6 = {{10, config.vips.back()}};
    config.gue_ports = {6080, 19523};
    auto programs = DecapPrograms::Load(config);
    INFO(programs.status());
    REQUIRE(programs.ok());
    programs_ = std::move(programs).value();
  }

  static std::pair<sockaddr_storage, socklen_t> Address(int family, const std::string& text,
                                                        int port) {
    sockaddr_storage storage{};
    storage.ss_family = static_cast<sa_family_t>(family);
    if (family == AF_INET) {
      auto* in = reinterpret_cast<sockaddr_in*>(&storage);
      in->sin_port = htons(static_cast<uint16_t>(port));
      inet_pton(AF_INET, text.c_str(), &in->sin_addr);
      return {storage, sizeof(*in)};
    }
    auto* in6 = reinterpret_cast<sockaddr_in6*>(&storage);
    in6->sin6_port = htons(static_cast<uint16_t>(port));
    inet_pton(AF_INET6, text.c_str(), &in6->sin6_addr);
    return {storage, sizeof(*in6)};
  }

  static void Bind(int socket_fd, int family, const std::string& text, int port) {
    const auto [address, length] = Address(family, text, port);
    REQUIRE(bind(socket_fd, reinterpret_cast<const sockaddr*>(&address), length) == 0);
  }

  std::map<int, int> listeners_;
  std::unique_ptr<DecapPrograms> programs_;
};

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_DECAP_DECAP_BENCH_H_
