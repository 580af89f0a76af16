// Every field of every message, just inside and just outside its range, and every response code.
#include <catch2/catch.hpp>
#include <cstring>
#include <functional>
#include <string>

#include "dataplane/tables/table_draft.h"
#include "tests/unit/tables/requests.h"

namespace guideway {
namespace {

using namespace channel;  // NOLINT(google-build-using-namespace)

constexpr uint32_t kPorts = 2;

IpAddress Address(const char* text) { return IpAddress::Parse(text).value(); }

Request Tunnel() {
  Request request = SetBackend(1, kNoNextHop);
  request.body.backend.encapsulation = Encapsulation::kIpip;
  return request;
}

Request Other(Encapsulation encapsulation) {
  Request request = Tunnel();
  request.body.backend.encapsulation = encapsulation;
  if (encapsulation == Encapsulation::kGue) request.body.backend.gue_port = Be16(6080);
  return request;
}

Request Scheduled(uint8_t scheduler, uint8_t source_bits_ipv4, uint8_t source_bits_ipv6) {
  Request request = SetPool(1, 3, 0);
  request.body.pool.scheduler = static_cast<Scheduler>(scheduler);
  request.body.pool.source_bits_ipv4 = source_bits_ipv4;
  request.body.pool.source_bits_ipv6 = source_bits_ipv6;
  return request;
}

Request Spread(const char* prefix) {
  Request request = Tunnel();
  request.body.backend.outer_source = Address(prefix);
  if (!Address(prefix).IsIpv4()) request.body.backend.outer_destination = Address("2001:db8::1");
  return request;
}

struct Case {
  const char* field;
  Request request;
  std::function<void(Request::Body*)> change;
  bool good;
  uint64_t value = 0;  // in the refusal
};

const Case kCases[] = {
    {"begin.full", Begin(true), [](auto* b) { b->begin.full = 2; }, false, 2},
    {"globals.half_open_s", SetGlobals(), [](auto* b) { b->globals.half_open_s = 0; }, false, 0},
    {"globals.half_open_s", SetGlobals(), [](auto* b) { b->globals.half_open_s = 1; }, true},
    {"globals.established_s", SetGlobals(), [](auto* b) { b->globals.established_s = 1 << 20; },
     true},
    {"globals.established_s", SetGlobals(),
     [](auto* b) { b->globals.established_s = (1 << 20) + 1; }, false, (1 << 20) + 1},
    {"globals.closing_s", SetGlobals(), [](auto* b) { b->globals.closing_s = ~0u; }, false, ~0u},
    {"globals.udp_s", SetGlobals(), [](auto* b) { b->globals.udp_s = 0; }, false, 0},
    {"globals.half_closed_s", SetGlobals(), [](auto* b) { b->globals.half_closed_s = 0; }, false,
     0},
    {"globals.fragments", SetGlobals(),
     [](auto* b) { b->globals.fragments = FragmentPolicy::kDrop; }, true},
    {"globals.fragments", SetGlobals(),
     [](auto* b) { b->globals.fragments = static_cast<FragmentPolicy>(3); }, false, 3},

    {"vip[4095]", SetVip(kMaxVips - 1, 0), [](auto*) {}, true},
    {"vip[4096].index", SetVip(kMaxVips, 0), [](auto*) {}, false, kMaxVips},
    {"vip[4294967295].index", SetVip(~0u, 0), [](auto*) {}, false, ~0u},
    {"vip[1].pool", SetVip(1, kMaxPools - 1), [](auto*) {}, true},
    {"vip[1].pool", SetVip(1, kMaxPools), [](auto*) {}, false, kMaxPools},
    {"vip[1].address", SetVip(1, 0), [](auto* b) { b->vip.address = Address("0.0.0.0"); }, false,
     0},
    {"vip[1].address", SetVip(1, 0), [](auto* b) { b->vip.address = Address("::"); }, false, 0},
    {"vip[1].address", SetVip(1, 0), [](auto* b) { b->vip.address = Address("224.0.0.1"); }, false,
     0xe0000001},
    {"vip[1].address", SetVip(1, 0), [](auto* b) { b->vip.address = Address("127.0.0.1"); }, false,
     0x7f000001},
    {"vip[1].address", SetVip(1, 0), [](auto* b) { b->vip.address = Address("255.255.255.255"); },
     false, 0xffffffff},
    {"vip[1].address", SetVip(1, 0), [](auto* b) { b->vip.address = Address("ff02::1"); }, false,
     0xff02000000000000},
    {"vip[1].address", SetVip(1, 0), [](auto* b) { b->vip.address = Address("2001:db8::1"); },
     true},
    {"vip[1].port", SetVip(1, 0), [](auto* b) { b->vip.port = Be16(0); }, true},
    {"vip[1].protocol", SetVip(1, 0), [](auto* b) { b->vip.protocol = 17; }, true},
    {"vip[1].protocol", SetVip(1, 0), [](auto* b) { b->vip.protocol = 0; }, false, 0},
    {"vip[1].protocol", SetVip(1, 0), [](auto* b) { b->vip.protocol = 1; }, false, 1},
    {"vip[1].max_segment_size", SetVip(1, 0), [](auto* b) { b->vip.max_segment_size = 0; }, true},
    {"vip[1].max_segment_size", SetVip(1, 0), [](auto* b) { b->vip.max_segment_size = 535; }, false,
     535},
    {"vip[1].max_segment_size", SetVip(1, 0), [](auto* b) { b->vip.max_segment_size = 536; }, true},
    {"vip[1].max_segment_size", SetVip(1, 0), [](auto* b) { b->vip.max_segment_size = 9000; },
     true},
    {"vip[1].max_segment_size", SetVip(1, 0), [](auto* b) { b->vip.max_segment_size = 9001; },
     false, 9001},
    {"vip[1].half_open_s", SetVip(1, 0), [](auto* b) { b->vip.half_open_s = 1 << 20; }, true},
    {"vip[1].half_open_s", SetVip(1, 0), [](auto* b) { b->vip.half_open_s = ~0u; }, false, ~0u},
    {"vip[1].established_s", SetVip(1, 0), [](auto* b) { b->vip.established_s = (1 << 20) + 1; },
     false, (1 << 20) + 1},
    {"vip[1].closing_s", SetVip(1, 0), [](auto* b) { b->vip.closing_s = 0; }, true},
    {"vip[1].closing_s", SetVip(1, 0), [](auto* b) { b->vip.closing_s = ~0u; }, false, ~0u},
    {"vip[1].half_closed_s", SetVip(1, 0), [](auto* b) { b->vip.half_closed_s = 1 << 20; }, true},
    {"vip[1].half_closed_s", SetVip(1, 0), [](auto* b) { b->vip.half_closed_s = ~0u; }, false, ~0u},
    {"vip[1].udp_s", SetVip(1, 0), [](auto* b) { b->vip.udp_s = ~0u; }, false, ~0u},

    {"pool[2047]", SetPool(kMaxPools - 1, 3, 0), [](auto*) {}, true},
    {"pool[2048].index", SetPool(kMaxPools, 3, 0), [](auto*) {}, false, kMaxPools},
    {"pool[1].slot_count", SetPool(1, 2, 0), [](auto*) {}, false, 2},
    {"pool[1].slot_count", SetPool(1, 101, 1), [](auto*) {}, true},
    {"pool[1].slot_count", SetPool(1, 102, 1), [](auto*) {}, false, 102},
    {"pool[1].slot_count", SetPool(1, kMaxSlots + 1, 0), [](auto*) {}, false, kMaxSlots + 1},
    {"pool[1].slot_count", SetPool(1, ~0u, 0), [](auto*) {}, false, ~0u},
    {"pool[1].arena_slot", SetPool(1, 3, 2), [](auto*) {}, false, 2},
    {"pool[1].arena_slot", SetPool(1, 3, ~0u), [](auto*) {}, false, ~0u},
    {"pool[1].reserved", SetPool(1, 3, 0), [](auto* b) { b->pool.reserved = 1; }, false, 1},
    {"pool[1].breaker.when_full", SetPool(1, 3, 0),
     [](auto* b) { b->pool.breaker = {1, 0, WhenFull::kDrop, {}}; }, true},
    {"pool[1].breaker.when_full", SetPool(1, 3, 0),
     [](auto* b) { b->pool.breaker = {0, ~0u, static_cast<WhenFull>(2), {}}; }, false, 2},
    {"pool[1].breaker.when_full", SetPool(1, 3, 0),
     [](auto* b) { b->pool.breaker = {0, 0, WhenFull::kDrop, {}}; }, false, 1},
    {"pool[1].breaker.reserved", SetPool(1, 3, 0),
     [](auto* b) { b->pool.breaker = {1, 1, WhenFull::kFirstChoice, {0, 0, 7}}; }, false, 0},
    {"pool[1].scheduler", Scheduled(4, 0, 0), [](auto*) {}, true},
    {"pool[1].scheduler", Scheduled(5, 0, 0), [](auto*) {}, false, 5},
    {"pool[1].scheduler", Scheduled(255, 0, 0), [](auto*) {}, false, 255},
    {"pool[1].source_bits_ipv4", Scheduled(1, 32, 128), [](auto*) {}, true},
    {"pool[1].source_bits_ipv4", Scheduled(1, 0, 0), [](auto*) {}, true},
    {"pool[1].source_bits_ipv4", Scheduled(1, 33, 64), [](auto*) {}, false, 33},
    {"pool[1].source_bits_ipv6", Scheduled(1, 32, 129), [](auto*) {}, false, 129},
    {"pool[1].source_bits_ipv4", Scheduled(0, 1, 0), [](auto*) {}, false, 1},
    {"pool[1].source_bits_ipv6", Scheduled(2, 0, 1), [](auto*) {}, false, 1},

    {"backend[16383]", SetBackend(kMaxBackends - 1, 0), [](auto*) {}, true},
    {"backend[16384].index", SetBackend(kMaxBackends, 0), [](auto*) {}, false, kMaxBackends},
    {"backend[1].keeps_known_flows", SetBackend(1, 0),
     [](auto* b) { b->backend.keeps_known_flows = 2; }, false, 2},
    {"backend[1].encapsulation", Other(Encapsulation::kL2),
     [](auto* b) { b->backend.encapsulation = static_cast<Encapsulation>(5); }, false, 5},
    {"backend[1].encapsulation", Other(Encapsulation::kGre), [](auto* b) {}, true},
    {"backend[1].encapsulation", Other(Encapsulation::kL3dsr), [](auto* b) {}, true},
    {"backend[1].gue_port", Other(Encapsulation::kGue), [](auto* b) {}, true},
    {"backend[1].gue_port", Other(Encapsulation::kGue),
     [](auto* b) { b->backend.gue_port = Be16(0); }, false, 0},
    {"backend[1].gue_port", Tunnel(), [](auto* b) { b->backend.gue_port = Be16(1); }, false, 1},
    {"backend[1].gue_hop_list", Other(Encapsulation::kGue),
     [](auto* b) { b->backend.gue_hop_list = 1; }, true},
    {"backend[1].gue_hop_list", Other(Encapsulation::kGue),
     [](auto* b) { b->backend.gue_hop_list = 2; }, false, 2},
    {"backend[1].gue_hop_list", Other(Encapsulation::kGre),
     [](auto* b) { b->backend.gue_hop_list = 1; }, false, 1},
    {"backend[1].gue_zero_checksum6", Other(Encapsulation::kGue),
     [](auto* b) { b->backend.gue_zero_checksum6 = 1; }, true},
    {"backend[1].gue_zero_checksum6", Other(Encapsulation::kGue),
     [](auto* b) { b->backend.gue_zero_checksum6 = 2; }, false, 2},
    {"backend[1].gue_zero_checksum6", Other(Encapsulation::kGre),
     [](auto* b) { b->backend.gue_zero_checksum6 = 1; }, false, 1},
    {"backend[1].dscp", Other(Encapsulation::kL3dsr), [](auto* b) { b->backend.dscp = 63; }, true},
    {"backend[1].dscp", Other(Encapsulation::kL3dsr), [](auto* b) { b->backend.dscp = 64; }, false,
     64},
    {"backend[1].dscp", Tunnel(), [](auto* b) { b->backend.dscp = 1; }, false, 1},
    {"backend[1].source_flow_bits", Spread("10.0.0.0"),
     [](auto* b) { b->backend.source_flow_bits = 1; }, false, 1},
    {"backend[1].source_flow_bits", Spread("10.0.0.0"),
     [](auto* b) { b->backend.source_flow_bits = 2; }, true},
    {"backend[1].source_flow_bits", Spread("10.0.0.0"),
     [](auto* b) { b->backend.source_flow_bits = 24; }, true},
    {"backend[1].source_flow_bits", Spread("10.0.0.0"),
     [](auto* b) { b->backend.source_flow_bits = 25; }, false, 25},
    {"backend[1].source_flow_bits", Spread("10.0.0.0"),
     [](auto* b) { b->backend.source_flow_bits = 255; }, false, 255},
    {"backend[1].source_flow_bits", Spread("2001:db8::"),
     [](auto* b) { b->backend.source_flow_bits = 2; }, true},
    {"backend[1].source_flow_bits", Spread("2001:db8::"),
     [](auto* b) { b->backend.source_flow_bits = 32; }, true},
    {"backend[1].source_flow_bits", Spread("2001:db8::"),
     [](auto* b) { b->backend.source_flow_bits = 33; }, false, 33},
    {"backend[1].source_flow_bits", Other(Encapsulation::kL3dsr),
     [](auto* b) { b->backend.source_flow_bits = 8; }, false, 8},
    {"backend[1].source_flow_bits", Other(Encapsulation::kL2),
     [](auto* b) { b->backend.source_flow_bits = 8; }, false, 8},
    {"backend[1].outer_source", Spread("10.0.255.0"),
     [](auto* b) { b->backend.source_flow_bits = 8; }, true},
    {"backend[1].outer_source", Spread("10.0.255.0"),
     [](auto* b) { b->backend.source_flow_bits = 9; }, false, 0x0a00ff00},
    {"backend[1].outer_destination", Other(Encapsulation::kL3dsr),
     [](auto* b) { b->backend.outer_destination = Address("::1"); }, false, 0},
    {"backend[1].outer_source", Other(Encapsulation::kL3dsr),
     [](auto* b) { b->backend.outer_source = {}; }, true},
    {"backend[1].next_hop", SetBackend(1, kMaxNextHops - 1), [](auto*) {}, true},
    {"backend[1].next_hop", SetBackend(1, kMaxNextHops), [](auto*) {}, false, kMaxNextHops},
    {"backend[1].next_hop", SetBackend(1, kNoNextHop), [](auto*) {}, true},
    {"backend[1].next_hop", SetBackend(1, kNoNextHop - 1), [](auto*) {}, false, kNoNextHop - 1},
    {"backend[1]", Tunnel(), [](auto*) {}, true},
    {"backend[1].outer_destination", Tunnel(),
     [](auto* b) { b->backend.outer_destination = Address("0.0.0.0"); }, false, 0},
    {"backend[1].outer_destination", Tunnel(),
     [](auto* b) { b->backend.outer_destination = Address("::1"); }, false, 0},
    {"backend[1].outer_source", Tunnel(),
     [](auto* b) { b->backend.outer_source = Address("239.0.0.1"); }, false, 0xef000001},
    {"backend[1].outer_source", Tunnel(),
     [](auto* b) { b->backend.outer_source = Address("2001:db8::1"); }, false, 0x20010db800000000},

    {"next_hop[16383]", SetNextHop(kMaxNextHops - 1), [](auto*) {}, true},
    {"next_hop[16384].index", SetNextHop(kMaxNextHops), [](auto*) {}, false, kMaxNextHops},
    {"next_hop[1].port", SetNextHop(1), [](auto* b) { b->next_hop.port = kPorts - 1; }, true},
    {"next_hop[1].port", SetNextHop(1), [](auto* b) { b->next_hop.port = kPorts; }, false, kPorts},
    {"next_hop[1].mtu_bytes", SetNextHop(1), [](auto* b) { b->next_hop.mtu_bytes = 67; }, false,
     67},
    {"next_hop[1].mtu_bytes", SetNextHop(1), [](auto* b) { b->next_hop.mtu_bytes = 68; }, true},
    {"next_hop[1].mtu_bytes", SetNextHop(1), [](auto* b) { b->next_hop.mtu_bytes = 65535; }, true},
    {"next_hop[1].destination_mac", SetNextHop(1),
     [](auto* b) { b->next_hop.destination_mac = {}; }, false, 0},
    {"next_hop[1].destination_mac", SetNextHop(1),
     [](auto* b) { b->next_hop.destination_mac.bytes[0] = 3; }, false, 0x030000000101},
    {"next_hop[1].vlan", SetNextHop(1), [](auto* b) { b->next_hop.vlan = 0; }, true},
    {"next_hop[1].vlan", SetNextHop(1), [](auto* b) { b->next_hop.vlan = 4094; }, true},
    {"next_hop[1].vlan", SetNextHop(1), [](auto* b) { b->next_hop.vlan = 4095; }, false, 4095},
    {"next_hop[1].source_mac", SetNextHop(1), [](auto* b) { b->next_hop.source_mac = {}; }, false,
     0},

    {"vip[4096].index", Delete(MessageType::kDeleteVip, kMaxVips), [](auto*) {}, false, kMaxVips},
    {"pool[2048].index", Delete(MessageType::kDeletePool, kMaxPools), [](auto*) {}, false,
     kMaxPools},
    {"backend[16384].index", Delete(MessageType::kDeleteBackend, kMaxBackends), [](auto*) {}, false,
     kMaxBackends},
    {"next_hop[16384].index", Delete(MessageType::kDeleteNextHop, kMaxNextHops), [](auto*) {},
     false, kMaxNextHops},
    {"", Delete(MessageType::kDeleteQuicLb, kMaxQuicLbs - 1), [](auto*) {}, true},
    {"quic_lb[28672].index", Delete(MessageType::kDeleteQuicLb, kMaxQuicLbs), [](auto*) {}, false,
     kMaxQuicLbs},

    {"quic_lb[28671]", SetQuicLb(kMaxQuicLbs - 1), [](auto*) {}, true},
    {"quic_lb[28672].index", SetQuicLb(kMaxQuicLbs), [](auto*) {}, false, kMaxQuicLbs},
    {"quic_lb[1].server_id_bytes", SetQuicLb(1), [](auto* b) { b->quic_lb.server_id_bytes = 0; },
     false, 0},
    {"quic_lb[1].server_id_bytes", SetQuicLb(1), [](auto* b) { b->quic_lb.server_id_bytes = 1; },
     true},
    {"quic_lb[1].server_id_bytes", SetQuicLb(1), [](auto* b) { b->quic_lb.server_id_bytes = 13; },
     true},
    {"quic_lb[1].nonce_bytes", SetQuicLb(1), [](auto* b) { b->quic_lb.server_id_bytes = 14; },
     false, 6},
    {"quic_lb[1].server_id_bytes", SetQuicLb(1), [](auto* b) { b->quic_lb.server_id_bytes = 16; },
     false, 16},
    {"quic_lb[1].nonce_bytes", SetQuicLb(1), [](auto* b) { b->quic_lb.nonce_bytes = 3; }, false, 3},
    {"quic_lb[1].nonce_bytes", SetQuicLb(1), [](auto* b) { b->quic_lb.nonce_bytes = 17; }, true},
    {"quic_lb[1].nonce_bytes", SetQuicLb(1), [](auto* b) { b->quic_lb.nonce_bytes = 18; }, false,
     18},
    {"quic_lb[1].nonce_bytes", SetQuicLb(1), [](auto* b) { b->quic_lb.nonce_bytes = 255; }, false,
     255},
    {"quic_lb[1].encrypted", SetQuicLb(1), [](auto* b) { b->quic_lb.encrypted = 2; }, false, 2},
    {"quic_lb[1].key", SetQuicLb(1), [](auto* b) { b->quic_lb.encrypted = 0; }, false, 0},
    {"quic_lb[1].key", SetQuicLb(1),
     [](auto* b) {
       b->quic_lb.encrypted = 0;
       b->quic_lb.key = {};
     },
     true},
    {"backend[1].server_id", WithServerId(SetBackend(1, 0), 3, 0, 1), [](auto*) {}, true},
    {"backend[1].server_id", WithServerId(SetBackend(1, 0), 3, 0, 1),
     [](auto* b) { b->backend.server_id.length_bytes = 15; }, true},
    {"backend[1].server_id", WithServerId(SetBackend(1, 0), 3, 0, 1),
     [](auto* b) { b->backend.server_id.length_bytes = 16; }, false, 16},
    {"backend[1].server_id", WithServerId(SetBackend(1, 0), 3, 0, 1),
     [](auto* b) { b->backend.server_id.length_bytes = 1; }, false, 1},
    {"backend[1].server_id", SetBackend(1, 0),
     [](auto* b) { b->backend.server_id.bytes[14] = 1; }, false, 0},
    {"backend[1].server_id_pool", WithServerId(SetBackend(1, 0), kMaxPools - 1, 0, 1), [](auto*) {},
     true},
    {"backend[1].server_id_pool", WithServerId(SetBackend(1, 0), kMaxPools, 0, 1), [](auto*) {},
     false, kMaxPools},
    {"backend[1].server_id_pool", SetBackend(1, 0), [](auto* b) { b->backend.server_id_pool = 1; },
     false, 1},

    {"", Delete(MessageType::kDeleteVip, 5), [](auto*) {}, true},
    {"", Delete(MessageType::kDeletePool, 5), [](auto*) {}, true},
    {"", Delete(MessageType::kDeleteBackend, 5), [](auto*) {}, true},
    {"", Delete(MessageType::kDeleteNextHop, 5), [](auto*) {}, true},
};

TEST_CASE("every field is held to its range, and the refusal names field and value") {
  HeapTableMemory memory(1 << 20);
  HeapArena arena(101);
  for (const Case& c : kCases) {
    TableDraft draft(&memory, kPorts, [](const TableState&) { return absl::OkStatus(); });
    Request request = c.request;
    request.sequence = 77;
    c.change(&request.body);
    if (request.type != MessageType::kBegin) {
      REQUIRE(draft.Apply(Begin(true), arena.view()).code == ResponseCode::kOk);
    }
    const Response response = draft.Apply(request, arena.view());
    INFO(c.field << " -> " << response.field << " = " << response.value);
    CHECK(response.sequence == 77);
    if (c.good) {
      CHECK(response.code == ResponseCode::kOk);
      CHECK(response.field == std::string());
    } else {
      CHECK(response.code == ResponseCode::kOutOfRange);
      CHECK(response.field == std::string(c.field));
      CHECK(response.value == c.value);
      CHECK(draft.Apply(Commit(1), arena.view()).code == ResponseCode::kTransactionBroken);
    }
  }
  CHECK(memory.used_bytes() == 0);
}

TEST_CASE("slots may name backends below the capacity, or nobody") {
  HeapTableMemory memory(1 << 20);
  HeapArena arena(101);
  for (const uint32_t backend : {0u, 16383u, 16384u, 65534u, 65535u}) {
    const bool good = backend < kMaxBackends || backend == 65535;
    for (const bool previous : {false, true}) {
      TableDraft draft(&memory, kPorts, [](const TableState&) { return absl::OkStatus(); });
      arena.Fill(1, 0, 0);
      (previous ? arena.at(1, 100).previous : arena.at(1, 100).current) =
          static_cast<uint16_t>(backend);
      draft.Apply(Begin(true), arena.view());
      const Response response = draft.Apply(SetPool(2, 101, 1), arena.view());
      CHECK(response.code == (good ? ResponseCode::kOk : ResponseCode::kOutOfRange));
      CHECK(response.field == std::string(good ? "" : "pool[2].slots"));
      CHECK(response.value == (good ? 0 : backend));
    }
  }
}

TEST_CASE("lookups of flows are for TCP and UDP, outside transactions, and break nothing") {
  HeapTableMemory memory(1 << 20);
  TableDraft draft(&memory, 1, [](const TableState&) { return absl::OkStatus(); });
  Request lookup;
  lookup.type = MessageType::kLookupFlow;
  lookup.body.lookup_flow.protocol = 6;
  CHECK(draft.Apply(lookup, {}).code == ResponseCode::kOk);
  lookup.body.lookup_flow.protocol = 1;
  const Response refused = draft.Apply(lookup, {});
  CHECK(refused.code == ResponseCode::kOutOfRange);
  CHECK(std::string(refused.field) == "lookup_flow.protocol");
  CHECK(refused.value == 1);
  CHECK_FALSE(draft.in_transaction());
  Request begin;
  begin.type = MessageType::kBegin;
  begin.body.begin = {.base_generation = 0, .full = 1};
  REQUIRE(draft.Apply(begin, {}).code == ResponseCode::kOk);
  lookup.body.lookup_flow.protocol = 17;
  CHECK(draft.Apply(lookup, {}).code == ResponseCode::kInsideTransaction);
}

}  // namespace
}  // namespace guideway
