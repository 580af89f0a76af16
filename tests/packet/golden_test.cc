// Runs the golden packets of make_golden.py through the stages: verdict, bytes, counters.
//
// The file's name comes in the environment variable GOLDEN_PACKETS; its form is described in
// make_golden.py, which is the independent source of every expected byte.
#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "tests/packet/fragmenting.h"
#include "tests/unit/path/path_fixture.h"

namespace guideway {
namespace {

std::vector<uint8_t> FromHex(const std::string& text) {
  std::vector<uint8_t> bytes;
  if (text == "-") return bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoi(text.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

std::string ToHex(const std::vector<uint8_t>& bytes) {
  std::string text;
  for (uint8_t byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

std::string DropName(DropReason reason) { return kDropReasons[static_cast<size_t>(reason)].name; }

std::string Describe(const Packet& packet) {
  switch (packet.verdict) {
    case Verdict::kForward:
      return "forward " + std::to_string(packet.transmit_port) + " " + ToHex(FrameOf(packet));
    case Verdict::kAnswer:
      return "answer " + ToHex(FrameOf(packet));
    case Verdict::kToKernel:
      return "to_kernel";
    case Verdict::kDrop:
      return "drop " + DropName(packet.drop_reason);
    case Verdict::kFragment:
      return "fragments " + std::to_string(packet.transmit_port);
    case Verdict::kHold:
      return "hold";
    case Verdict::kPending:
      return "pending";
  }
  return "no verdict at all";
}

// Sorted by name, "name=value" with a blank in front of each.
std::string NotZero(const CounterValues& values) {
  std::map<std::string, uint64_t> result;
  for (size_t i = 0; i < kCounterCount; ++i) {
    if (values.counters[i] != 0) result[kCounters[i].name] = values.counters[i];
  }
  for (size_t i = 0; i < kDropReasonCount; ++i) {
    if (values.drops[i] != 0) result[kDropReasons[i].name] = values.drops[i];
  }
  std::string text;
  for (const auto& [name, value] : result) text += " " + name + "=" + std::to_string(value);
  return text;
}

class Runner {
 public:
  uint32_t cases = 0;
  std::set<std::string> reasons;

  void Line(const std::string& line) {
    std::istringstream in(line);
    std::string word;
    in >> word;
    if (word == "case") {
      in >> name_;
      ++cases;
      headroom_ = 128;
      counters_ = CounterValues{};
      world_.state.counted = CounterValues{};
      world_.flows.Clear(1);
      Limit(World::kNoLimit);
      world_.fragments.Clear();
      world_.tables.fragments = channel::FragmentPolicy::kTrack;
    } else if (word == "headroom") {
      in >> headroom_;
    } else if (word == "limit") {
      uint32_t replies;
      in >> replies;
      Limit(replies);
    } else if (word == "fragments") {
      in >> word_;
      world_.tables.fragments =
          word_ == "drop" ? channel::FragmentPolicy::kDrop : channel::FragmentPolicy::kHash3;
    } else if (word == "packet") {
      Run(in);
    } else if (word == "expect") {
      CAPTURE(name_);
      CHECK(line == "expect " + verdict_);
    } else if (word == "counters") {
      CheckCounters(in);
    } else {
      Table(word, in);
    }
    REQUIRE_FALSE(in.bad());
  }

 private:
  // Of each kind; no time passes.
  void Limit(uint32_t replies) {
    world_.state.too_big_replies = world_.state.echo_answers = TokenBucket(replies);
  }

  static uint16_t BackendOf(const std::string& word) {
    return word == "nobody" ? kNoBackend : static_cast<uint16_t>(std::stoi(word));
  }

  static channel::Encapsulation EncapsulationOf(const std::string& word) {
    static const std::map<std::string, channel::Encapsulation> kByName = {
        {"l2", channel::Encapsulation::kL2},
        {"ipip", channel::Encapsulation::kIpip},
        {"gre", channel::Encapsulation::kGre},
        {"gue", channel::Encapsulation::kGue},
        {"l3dsr", channel::Encapsulation::kL3dsr}};
    return kByName.at(word);
  }

  void Table(const std::string& word, std::istringstream& in) {
    if (word == "secret") {
      in >> word_;
      world_.tables.flow_hash_key = FlowHashKey::FromSecret(word_);
    } else if (word == "backend") {
      uint16_t index;
      std::string encapsulation, source, address, destination_mac, source_mac;
      NextHop hop;
      in >> index >> encapsulation >> source >> address >> hop.port >> hop.mtu_bytes >>
          destination_mac >> source_mac;
      uint16_t gue_port, hop_list, zero_checksum6, flow_bits, dscp, vlan;
      in >> gue_port >> hop_list >> zero_checksum6 >> flow_bits >> dscp >> vlan;
      hop.destination_mac = Mac(destination_mac);
      hop.source_mac = Mac(source_mac);
      hop.vlan = Be16(vlan);
      Backend& backend = world_.AddBackend(index, EncapsulationOf(encapsulation),
                                           source == "-" ? "" : source, address);
      backend.next_hop = hop;
      backend.gue_port = Be16(gue_port);
      backend.gue_hop_list = hop_list != 0;
      backend.gue_zero_checksum6 = zero_checksum6 != 0;
      backend.source_flow_bits = static_cast<uint8_t>(flow_bits);
      backend.dscp = static_cast<uint8_t>(dscp);
    } else if (word == "pool") {
      uint16_t index;
      std::string backend, previous;
      in >> index >> backend >> previous;
      world_.SetPool(index, BackendOf(backend), BackendOf(previous));
    } else if (word == "pool_by_source") {
      uint16_t index, bits_ipv4, bits_ipv6, backend;
      in >> index >> bits_ipv4 >> bits_ipv6;
      auto& slots = world_.slots[index];
      slots.clear();
      while (in >> backend) slots.push_back({.current = backend, .previous = backend});
      world_.pools[index] = {.slots = slots.data(),
                             .slot_count = static_cast<uint32_t>(slots.size()),
                             .scheduler = channel::Scheduler::kMaglevSource,
                             .source_bits_ipv4 = static_cast<uint8_t>(bits_ipv4),
                             .source_bits_ipv6 = static_cast<uint8_t>(bits_ipv6)};
    } else if (word == "vip") {
      uint32_t index;
      uint16_t port, pool, max_segment_size;
      std::string address, protocol;
      in >> index >> address >> port >> protocol >> pool >> max_segment_size;
      const IpProtocol transport = protocol == "tcp" ? IpProtocol::kTcp : IpProtocol::kUdp;
      REQUIRE(world_.AddVip(index, address, port, transport, pool, max_segment_size));
      REQUIRE(world_.tables.vips.InsertForFragments(Address(address), transport, index, pool));
      vip_addresses_.push_back({address, port});
    } else if (word == "quic_lb") {
      size_t vip;
      uint16_t config_id, server_id_bytes, nonce_bytes;
      std::string key;
      in >> vip >> config_id >> server_id_bytes >> nonce_bytes >> key;
      Aes128::Block block{};
      const std::vector<uint8_t> bytes = FromHex(key);
      std::copy(bytes.begin(), bytes.end(), block.begin());
      const auto& [address, port] = vip_addresses_.at(vip);
      world_.AddQuicLb(address, port, static_cast<uint8_t>(config_id),
                       static_cast<uint8_t>(server_id_bytes), static_cast<uint8_t>(nonce_bytes),
                       key == "-" ? nullptr : &block);
    } else if (word == "server_id") {
      uint16_t pool, backend;
      std::string id;
      in >> pool >> id >> backend;
      world_.AddServerId(pool, FromHex(id), backend);
    } else {
      FAIL("unknown line: " << word);
    }
  }

  void Run(std::istringstream& in) {
    std::string hex;
    in >> hex;
    const std::vector<uint8_t> frame = FromHex(hex);
    Buffer buffer(frame, headroom_);
    Burst burst;
    burst.count = 1;
    Packet& packet = burst.packets[0];
    buffer.Fill(packet);
    ProcessBurst(burst, world_.tables, world_.state);
    verdict_ = Describe(packet);
    CAPTURE(name_);
    if (packet.verdict == Verdict::kDrop) reasons.insert(DropName(packet.drop_reason));
    // What does not leave is not changed either: the kernel gets the frame as it came.
    const bool leaves = packet.verdict == Verdict::kForward || packet.verdict == Verdict::kAnswer;
    if (!leaves) CHECK(FrameOf(packet) == frame);
    CHECK(packet.frame - packet.headroom_bytes == buffer.bytes.get());
    CountVerdict(packet, buffer.length, counters_);
    if (packet.verdict != Verdict::kFragment) return;
    for (const std::vector<uint8_t>& fragment : FragmentsOf(packet, world_.state)) {
      verdict_ += " ";
      verdict_ += ToHex(fragment);
      ++counters_[Counter::fragments_sent];
      counters_[Counter::forwarded_bytes] += fragment.size();
    }
  }

  void CheckCounters(std::istringstream& in) {
    std::string expected;
    std::getline(in, expected);
    counters_ += world_.state.counted;
    CAPTURE(name_);
    CHECK(NotZero(counters_) == expected);
    CHECK(counters_.Balanced());
  }

  World world_;
  std::vector<std::pair<std::string, uint16_t>> vip_addresses_;  // by VIP index
  std::string name_, word_, verdict_;
  uint16_t headroom_ = 128;
  CounterValues counters_;
};

TEST_CASE("golden packets") {
  const char* path = std::getenv("GOLDEN_PACKETS");
  REQUIRE(path != nullptr);
  std::ifstream file(path);
  REQUIRE(file.is_open());
  Runner runner;
  std::string line;
  while (std::getline(file, line)) runner.Line(line);
  CHECK(runner.cases > 1700);

  // Every drop reason has a case, but those that only the worker gives, or a circuit breaker
  // (unit).
  const std::set<std::string> of_the_worker = {
      "scattered_frame",    "no_kernel_twin",   "kernel_queue_full", "transmit_queue_full",
      "fragment_no_buffer", "fragment_timeout", "fragment_overflow", "breaker_full"};
  for (const DropReasonInfo& info : kDropReasons) {
    CAPTURE(info.name);
    CHECK(runner.reasons.count(info.name) + of_the_worker.count(info.name) == 1);
  }
}

}  // namespace
}  // namespace guideway
