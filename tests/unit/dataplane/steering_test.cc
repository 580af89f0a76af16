// The XDP steering program, run by the kernel on single packets (BPF_PROG_TEST_RUN): what goes to
// the socket and what stays with the kernel. Needs CAP_BPF and CAP_NET_ADMIN.
#include "dataplane/bpf/steering.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/if_xdp.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace guideway {
namespace {

using Bytes = std::vector<uint8_t>;

void Append(Bytes* bytes, const Bytes& more) {
  bytes->insert(bytes->end(), more.begin(), more.end());
}

Bytes Address(const std::string& text) {
  const IpAddress address = IpAddress::Parse(text).value();
  return address.IsIpv4() ? Bytes(address.bytes.begin() + 12, address.bytes.end())
                          : Bytes(address.bytes.begin(), address.bytes.end());
}

Bytes Ethernet(uint16_t ether_type) {
  Bytes frame(12, 2);
  Append(&frame, {static_cast<uint8_t>(ether_type >> 8), static_cast<uint8_t>(ether_type)});
  return frame;
}

Bytes Ports(uint16_t destination) {
  Bytes header = {0x30, 0x39, static_cast<uint8_t>(destination >> 8),
                  static_cast<uint8_t>(destination)};
  header.resize(20);
  return header;
}

Bytes Ipv4(const std::string& destination, uint8_t protocol, uint16_t port, uint16_t fragment = 0,
           uint8_t version_ihl = 0x45) {
  Bytes frame = Ethernet(0x0800);
  Append(&frame, {version_ihl, 0, 0, 40, 0, 0, static_cast<uint8_t>(fragment >> 8),
                  static_cast<uint8_t>(fragment), 64, protocol, 0, 0});
  Append(&frame, Address("192.0.2.9"));
  Append(&frame, Address(destination));
  Append(&frame, Ports(port));
  return frame;
}

Bytes Ipv6(const std::string& destination, uint8_t next_header, uint16_t port) {
  Bytes frame = Ethernet(0x86dd);
  Append(&frame, {0x60, 0, 0, 0, 0, 20, next_header, 64});
  Append(&frame, Address("2001:db8::9"));
  Append(&frame, Address(destination));
  Append(&frame, Ports(port));
  return frame;
}

// Behind a fragment header that announces `next_header`; offset in units of 8 bytes, and the M
// flag.
Bytes Ipv6Fragment(const std::string& destination, uint8_t next_header, uint16_t offset,
                   bool more) {
  Bytes frame = Ipv6(destination, 44, 22);
  const auto low = static_cast<uint8_t>((offset & 31) << 3 | (more ? 1 : 0));
  const Bytes header = {next_header, 0, static_cast<uint8_t>(offset >> 5), low, 0, 0, 0, 9};
  frame.insert(frame.begin() + 54, header.begin(), header.end());
  return frame;
}

// The first byte of TCP's ports is the type of ICMP.
Bytes Icmp(Bytes frame, uint8_t type) {
  frame[frame[12] == 0x08 ? 34 : 54] = type;
  return frame;
}

Bytes Tagged(Bytes frame) {
  const Bytes tag = {0x81, 0x00, 0x00, 0x05};
  frame.insert(frame.begin() + 12, tag.begin(), tag.end());
  return frame;
}

Bytes Cut(Bytes frame, size_t bytes) {
  frame.resize(bytes);
  return frame;
}

// An AF_XDP socket just far enough set up that the kernel takes it into an XSKMAP.
UniqueFd MapableSocket() {
  constexpr size_t kFrames = 64;
  constexpr size_t kFrameBytes = 4096;
  UniqueFd socket_fd(socket(AF_XDP, SOCK_RAW, 0));
  void* area = mmap(nullptr, kFrames * kFrameBytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  xdp_umem_reg umem{};
  umem.addr = reinterpret_cast<uint64_t>(area);
  umem.len = kFrames * kFrameBytes;
  umem.chunk_size = kFrameBytes;
  const int entries = 64;
  REQUIRE(setsockopt(socket_fd.get(), SOL_XDP, XDP_UMEM_REG, &umem, sizeof(umem)) == 0);
  REQUIRE(setsockopt(socket_fd.get(), SOL_XDP, XDP_RX_RING, &entries, sizeof(entries)) == 0);
  return socket_fd;
}

uint32_t RunProgram(const Steering& steering, Bytes frame) {
  bpf_test_run_opts options{};
  options.sz = sizeof(options);
  options.data_in = frame.data();
  options.data_size_in = static_cast<uint32_t>(frame.size());
  options.repeat = 1;
  REQUIRE(bpf_prog_test_run_opts(steering.program_fd(), &options) == 0);
  return options.retval;
}

constexpr uint8_t kTcp = 6;
constexpr uint8_t kUdp = 17;

TEST_CASE("steering redirects what is for a VIP and leaves the rest to the kernel") {
  auto loaded = Steering::Load("lo");
  REQUIRE(loaded.ok());
  Steering& steering = **loaded;
  const IpAddress vip4 = IpAddress::Parse("203.0.113.10").value();
  const IpAddress any4 = IpAddress::Parse("203.0.113.20").value();
  const IpAddress vip6 = IpAddress::Parse("2001:db8:f::10").value();
  const std::vector<SteeredVip> vips = {{vip4, Be16(443), IpProtocol::kTcp},
                                        {any4, Be16(0), IpProtocol::kUdp},
                                        {vip6, Be16(80), IpProtocol::kTcp}};
  REQUIRE(steering.SetVips(vips).ok());

  struct Case {
    std::string name;
    Bytes frame;
    bool redirected;
  };
  const std::vector<Case> cases = {
      {"TCP for the VIP", Ipv4("203.0.113.10", kTcp, 443), true},
      {"another port", Ipv4("203.0.113.10", kTcp, 22), false},
      {"another protocol", Ipv4("203.0.113.10", kUdp, 443), false},
      {"another address", Ipv4("203.0.113.11", kTcp, 443), false},
      {"any-port VIP", Ipv4("203.0.113.20", kUdp, 5353), true},
      {"any-port VIP, other protocol", Ipv4("203.0.113.20", kTcp, 5353), false},
      {"IPv6 for the VIP", Ipv6("2001:db8:f::10", kTcp, 80), true},
      {"IPv6, another port", Ipv6("2001:db8:f::10", kTcp, 81), false},
      {"IPv6, another address", Ipv6("2001:db8:f::11", kTcp, 80), false},
      {"first fragment", Ipv4("203.0.113.10", kTcp, 443, 0x2000), true},
      {"later fragment", Ipv4("203.0.113.10", kTcp, 443, 0x0010), true},
      {"fragment for nobody", Ipv4("203.0.113.11", kTcp, 443, 0x2000), false},
      {"first fragment to another port", Ipv4("203.0.113.10", kTcp, 22, 0x2000), true},
      {"last fragment", Ipv4("203.0.113.10", kUdp, 0, 0x00b9), true},
      {"later fragment without bytes", Cut(Ipv4("203.0.113.10", kUdp, 0, 0x00b9), 34), true},
      {"fragment of ICMP", Ipv4("203.0.113.10", 1, 0, 0x2000), true},
      {"fragment of GRE", Ipv4("203.0.113.10", 47, 0, 0x2000), false},
      {"GRE with options", Ipv4("203.0.113.10", 47, 0, 0, 0x46), false},
      {"tagged fragment", Tagged(Ipv4("203.0.113.10", kUdp, 0, 0x00b9)), true},
      {"IPv6 first fragment", Ipv6Fragment("2001:db8:f::10", kTcp, 0, true), true},
      {"IPv6 later fragment", Ipv6Fragment("2001:db8:f::10", kUdp, 175, true), true},
      {"IPv6 last fragment", Ipv6Fragment("2001:db8:f::10", kUdp, 175, false), true},
      {"IPv6 fragment of options", Ipv6Fragment("2001:db8:f::10", 60, 175, false), true},
      {"IPv6 fragment of ICMPv6", Ipv6Fragment("2001:db8:f::10", 58, 175, false), true},
      {"IPv6 fragment of GRE", Ipv6Fragment("2001:db8:f::10", 47, 175, false), false},
      {"IPv6 fragment for nobody", Ipv6Fragment("2001:db8:f::11", kUdp, 175, false), false},
      {"IPv6 fragment header cut off", Cut(Ipv6("2001:db8:f::10", 44, 0), 54), true},
      {"tagged IPv6 fragment", Tagged(Ipv6Fragment("2001:db8:f::10", kUdp, 175, true)), true},
      {"ICMP echo", Icmp(Ipv4("203.0.113.10", 1, 0), 8), true},
      {"ICMP unreachable", Icmp(Ipv4("203.0.113.10", 1, 0), 3), true},
      {"ICMP time exceeded", Icmp(Ipv4("203.0.113.10", 1, 0), 11), true},
      {"ICMP parameter problem", Icmp(Ipv4("203.0.113.10", 1, 0), 12), true},
      {"ICMP redirect", Icmp(Ipv4("203.0.113.10", 1, 0), 5), false},
      {"ICMP echo reply", Icmp(Ipv4("203.0.113.10", 1, 0), 0), false},
      {"ICMP without a type", Cut(Ipv4("203.0.113.10", 1, 0), 34), true},
      {"ICMP echo for nobody", Icmp(Ipv4("203.0.113.11", 1, 0), 8), false},
      {"GRE", Ipv4("203.0.113.10", 47, 0), false},
      {"IP options", Ipv4("203.0.113.10", kTcp, 443, 0, 0x46), true},
      {"IPv6 hop-by-hop", Ipv6("2001:db8:f::10", 0, 0), true},
      {"ICMPv6 echo", Icmp(Ipv6("2001:db8:f::10", 58, 0), 128), true},
      {"ICMPv6 unreachable", Icmp(Ipv6("2001:db8:f::10", 58, 0), 1), true},
      {"ICMPv6 too big", Icmp(Ipv6("2001:db8:f::10", 58, 0), 2), true},
      {"ICMPv6 parameter problem", Icmp(Ipv6("2001:db8:f::10", 58, 0), 4), true},
      {"ICMPv6 reserved", Icmp(Ipv6("2001:db8:f::10", 58, 0), 0), false},
      {"ICMPv6 echo reply", Icmp(Ipv6("2001:db8:f::10", 58, 0), 129), false},
      {"ICMPv6 neighbour solicitation", Icmp(Ipv6("2001:db8:f::10", 58, 0), 135), false},
      {"ICMPv6 echo for nobody", Icmp(Ipv6("2001:db8:f::11", 58, 0), 128), false},
      {"tagged", Tagged(Ipv4("203.0.113.10", kTcp, 443)), true},
      {"tagged twice", Tagged(Tagged(Ipv4("203.0.113.10", kTcp, 443))), true},
      {"IPv6 authentication header", Ipv6("2001:db8:f::10", 51, 0), true},
      {"tagged for nobody", Tagged(Ipv4("203.0.113.11", kTcp, 443)), false},
      {"tagged for another port", Tagged(Ipv4("203.0.113.10", kTcp, 444)), false},
      {"tagged three times", Tagged(Tagged(Tagged(Ipv4("203.0.113.10", kTcp, 443)))), false},
      {"truncated ports", Cut(Ipv4("203.0.113.10", kTcp, 443), 36), true},
      {"truncated IP header", Cut(Ipv4("203.0.113.10", kTcp, 443), 30), false},
      {"ARP", Ethernet(0x0806), false},
  };

  SECTION("without a socket the kernel keeps everything") {
    for (const Case& c : cases) {
      INFO(c.name);
      CHECK(RunProgram(steering, c.frame) == XDP_PASS);
    }
  }
  SECTION("with a socket") {
    const UniqueFd socket_fd = MapableSocket();
    REQUIRE(steering.AddSocket(0, socket_fd.get()).ok());
    for (const Case& c : cases) {
      INFO(c.name);
      CHECK(RunProgram(steering, c.frame) == (c.redirected ? XDP_REDIRECT : XDP_PASS));
    }
    // A removed VIP takes its address along; the others stay.
    REQUIRE(steering.SetVips(absl::MakeConstSpan(vips).subspan(1)).ok());
    CHECK(RunProgram(steering, cases[0].frame) == XDP_PASS);
    CHECK(RunProgram(steering, Ipv4("203.0.113.10", 1, 0)) == XDP_PASS);
    CHECK(RunProgram(steering, Ipv4("203.0.113.20", kUdp, 1)) == XDP_REDIRECT);
  }
}

TEST_CASE("an interface that is not there is named") {
  const auto loaded = Steering::Load("nosuchif0");
  REQUIRE_FALSE(loaded.ok());
  CHECK(std::string(loaded.status().message()).find("nosuchif0") != std::string::npos);
}

}  // namespace
}  // namespace guideway
