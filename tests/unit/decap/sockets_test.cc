// Second chance and sockets in passing states: TIME_WAIT, and listeners that send syncookies.
#include <netinet/ip.h>

#include <fstream>

#include "tests/unit/decap/decap_bench.h"

namespace guideway {
namespace {

uint16_t Fold(uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

void Put16(Bytes* bytes, size_t at, uint32_t value) {
  (*bytes)[at] = static_cast<uint8_t>(value >> 8);
  (*bytes)[at + 1] = static_cast<uint8_t>(value);
}

void Put32(Bytes* bytes, size_t at, uint32_t value) {
  Put16(bytes, at, value >> 16);
  Put16(bytes, at + 2, value);
}

// From 192.0.2.10 to the VIP, with good checksums. 40 bytes.
Bytes TcpPacket(int client_port, uint8_t flags, uint32_t sequence, uint32_t acknowledged) {
  Bytes packet = FromHex("4500002800010000400600000000000000000000");
  const Bytes addresses = FromHex("c000020ac6336407");
  std::copy(addresses.begin(), addresses.end(), packet.begin() + 12);
  packet.resize(40);
  Put16(&packet, 20, static_cast<uint32_t>(client_port));
  Put16(&packet, 22, DecapBench::kPort);
  Put32(&packet, 24, sequence);
  Put32(&packet, 28, acknowledged);
  packet[32] = 0x50;
  packet[33] = flags;
  Put16(&packet, 34, 1000);
  const auto sum = [&](size_t first, size_t last, uint32_t start) {
    for (size_t i = first; i < last; i += 2) start += packet[i] * 256U + packet[i + 1];
    return 0xffffU ^ Fold(start);
  };
  Put16(&packet, 10, sum(0, 20, 0));
  Put16(&packet, 36, sum(12, 40, 6 + 20));
  return packet;
}

// Behind GUE with one hop.
Bytes Tunnelled(const Bytes& inner) {
  Bytes frame = FromHex("0200000000020200000000010800");
  Bytes outer = FromHex("4500000000000000401100000a0001070a000001");
  Put16(&outer, 2, static_cast<uint32_t>(20 + 8 + 4 + 8 + inner.size()));
  uint32_t sum = 0;
  for (size_t i = 0; i < 20; i += 2) sum += outer[i] * 256U + outer[i + 1];
  Put16(&outer, 10, 0xffffU ^ Fold(sum));
  Bytes udp = FromHex("c35017c00000000002040000000000010a000014");
  Put16(&udp, 4, static_cast<uint32_t>(udp.size() + inner.size()));
  for (const Bytes& part : {outer, udp, inner}) frame.insert(frame.end(), part.begin(), part.end());
  return frame;
}

// What `socket` has sent and had acknowledged, up to the next byte: its send queue is empty.
uint32_t NextSequence(int socket) {
  const int on = 1, queue = TCP_SEND_QUEUE, off = TCP_REPAIR_OFF_NO_WP;
  REQUIRE(setsockopt(socket, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) == 0);
  REQUIRE(setsockopt(socket, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue)) == 0);
  uint32_t next = 0;
  socklen_t bytes = sizeof(next);
  REQUIRE(getsockopt(socket, IPPROTO_TCP, TCP_QUEUE_SEQ, &next, &bytes) == 0);
  REQUIRE(setsockopt(socket, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off)) == 0);
  return next;
}

TEST_CASE("in TIME_WAIT the closed connection is here, a later one from its port is not") {
  DecapBench& bench = DecapBench::Get();
  int client = -1;
  const int server = DecapBench::Connect(bench.listener(AF_INET), AF_INET, 40100, &client);
  const uint32_t end = NextSequence(server) + 1;  // and its FIN
  const auto verdict = [&](int port, uint32_t acknowledged) {
    return bench.Run(Tunnelled(TcpPacket(port, TH_ACK, 1, acknowledged))).verdict;
  };
  CHECK(verdict(40100, end + (1U << 31)) == "gue");  // established: whatever it says
  close(server);
  char byte = 0;
  REQUIRE(read(client, &byte, 1) == 0);  // the server's FIN is here
  close(client);
  CHECK(verdict(40100, end) == "gue");
  CHECK(verdict(40100, end - (1 << 20) + 1) == "gue");
  CHECK(verdict(40100, end - (1 << 20)) == "next_hop_tcp");
  CHECK(verdict(40100, end + 1) == "next_hop_tcp");
  CHECK(verdict(40101, end) == "next_hop_tcp");
}

TEST_CASE("the ACK of a syncookie is here, another ACK is not") {
  DecapBench& bench = DecapBench::Get();
  std::ofstream("/proc/sys/net/ipv4/tcp_syncookies") << 2;  // always
  const int raw = socket(AF_INET, SOCK_RAW, IPPROTO_TCP);
  REQUIRE(raw >= 0);
  const int one = 1;
  REQUIRE(setsockopt(raw, IPPROTO_IP, IP_HDRINCL, &one, sizeof(one)) == 0);
  const timeval limit{.tv_sec = 5, .tv_usec = 0};
  setsockopt(raw, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  inet_pton(AF_INET, "198.51.100.7", &to.sin_addr);
  const uint32_t sequence = 1000;
  const Bytes syn = TcpPacket(41000, TH_SYN, sequence, 0);
  REQUIRE(sendto(raw, syn.data(), syn.size(), 0, reinterpret_cast<const sockaddr*>(&to),
                 sizeof(to)) == static_cast<ssize_t>(syn.size()));
  uint32_t cookie = 0;
  for (bool found = false; !found;) {
    Bytes answer(200);
    REQUIRE(recv(raw, answer.data(), answer.size(), 0) >= 40);
    found = answer[33] == (TH_SYN | TH_ACK) && answer[22] * 256 + answer[23] == 41000;
    for (size_t i = 24; i < 28; ++i) cookie = cookie << 8 | answer[i];
  }
  close(raw);
  const auto verdict = [&](uint32_t acknowledged) {
    return bench.Run(Tunnelled(TcpPacket(41000, TH_ACK, sequence + 1, acknowledged))).verdict;
  };
  CHECK(verdict(cookie + 1) == "gue");
  CHECK(verdict(cookie + 12345) == "next_hop_tcp");
}

}  // namespace
}  // namespace guideway
