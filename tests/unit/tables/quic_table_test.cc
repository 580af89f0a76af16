// The table of server IDs against an ordered map; what a commit says of QUIC-LB's references and
// duplicates; that the snapshot has what the requests said.
#include "dataplane/tables/quic_table.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "dataplane/tables/snapshot_builder.h"
#include "dataplane/tables/table_draft.h"
#include "tests/unit/tables/requests.h"

namespace guideway {
namespace {

using namespace channel;  // NOLINT(google-build-using-namespace)

constexpr uint32_t kSlots = 101;

TEST_CASE("server IDs are found exactly: pool, length and bytes") {
  std::mt19937_64 random(1);
  for (const size_t count : {0, 1, 2, 3, 100, 16384}) {
    std::vector<ServerCell> cells(QuicTable::CellsFor(count));
    CHECK(cells.size() >= 2 * count);
    CHECK(cells.size() <= 4 * count);
    QuicTable table({}, absl::MakeSpan(cells));
    std::map<std::pair<uint16_t, std::array<uint8_t, 16>>, uint16_t> model;
    const auto key_of = [](uint16_t pool, const ServerId& id) {
      std::array<uint8_t, 16> bytes{};
      std::copy(id.bytes.begin(), id.bytes.end(), bytes.begin());
      bytes[15] = id.length_bytes;
      return std::pair(pool, bytes);
    };
    const auto random_id = [&] {
      ServerId id;
      id.length_bytes = static_cast<uint8_t>(1 + random() % 15);
      for (size_t i = 0; i < id.length_bytes; ++i) id.bytes[i] = static_cast<uint8_t>(random() % 4);
      return id;
    };
    while (model.size() < count) {
      const auto pool = static_cast<uint16_t>(random() % 3);
      const auto backend = static_cast<uint16_t>(random() % kMaxBackends);
      const ServerId id = random_id();
      const bool is_new = model.emplace(key_of(pool, id), backend).second;
      REQUIRE(table.Insert(pool, id, backend) == is_new);
    }
    for (int i = 0; i < 20000; ++i) {
      const auto pool = static_cast<uint16_t>(random() % 4);
      const ServerId id = random_id();
      const auto found = model.find(key_of(pool, id));
      const ServerCell* cell = table.Find(pool, id);
      REQUIRE((cell != nullptr) == (found != model.end()));
      if (cell != nullptr) REQUIRE(cell->backend == found->second);
    }
  }
}

struct Fixture {
  Fixture() { arena.Fill(0, 1, 1); }
  Response Apply(const std::vector<Request>& requests) {
    Response response;
    for (const Request& request : requests) {
      response = draft.Apply(request, arena.view());
      if (response.code != ResponseCode::kOk) break;
    }
    return response;
  }
  void Good(const std::vector<Request>& requests) {
    const Response response = Apply(requests);
    INFO(response.field << " = " << response.value);
    REQUIRE(response.code == ResponseCode::kOk);
  }
  void Bad(const std::vector<Request>& requests, ResponseCode code, const std::string& field,
           uint64_t value) {
    const Response response = Apply(requests);
    CHECK(response.code == code);
    CHECK(response.field == field);
    CHECK(response.value == value);
  }

  HeapTableMemory memory{64 << 20};
  HeapArena arena{kSlots};
  std::unique_ptr<OwnedSnapshot> snapshot;
  TableDraft draft{&memory, 1, [this](const TableState& tables) {
                     auto built = OwnedSnapshot::Build(tables, &memory);
                     if (!built.ok()) return built.status();
                     snapshot = *std::move(built);
                     return absl::OkStatus();
                   }};
};

Request UdpVip(uint32_t index, uint32_t pool) {
  Request request = SetVip(index, pool);
  request.body.vip.protocol = static_cast<uint8_t>(IpProtocol::kUdp);
  return request;
}

TEST_CASE("configurations and server IDs come and go with the transactions") {
  Fixture f;
  f.Good({Begin(true), SetGlobals(), SetPool(0, kSlots, 0), UdpVip(3, 0), UdpVip(2, 0),
          SetQuicLb(3 * 7 + 6), SetQuicLb(2 * 7), SetQuicLb(2 * 7 + 1),
          WithServerId(SetBackend(1, kNoNextHop), 0, 0, 9), Commit(1)});
  const auto vip = [&](uint32_t index) {
    const VipCell* cell = f.snapshot->get()->vips.Find(
        IpAddress::FromIpv4(Be32(0xc6336400 + index)), Be16(80), IpProtocol::kUdp);
    REQUIRE(cell != nullptr);
    return cell->quic_vip;
  };
  const QuicTable* quic = &f.snapshot->get()->quic;
  REQUIRE(quic->vips().size() == 2);
  const QuicVip& third = quic->vips()[vip(3) - 1u];
  const QuicVip& second = quic->vips()[vip(2) - 1u];
  for (size_t i = 0; i < kQuicLbConfigs; ++i) {
    CHECK((third[i] != nullptr) == (i == 6));
    CHECK((second[i] != nullptr) == (i <= 1));
  }
  const ServerId id{.bytes = {0, 9}, .length_bytes = 2};
  REQUIRE(quic->Find(0, id) != nullptr);
  CHECK(quic->Find(0, id)->backend == 1);
  CHECK(quic->Find(1, id) == nullptr);

  f.Good({Begin(false, 1), Delete(MessageType::kDeleteQuicLb, 3 * 7 + 6), Commit(2)});
  quic = &f.snapshot->get()->quic;
  CHECK(vip(3) == 0);
  CHECK(vip(2) == 1);
  CHECK(quic->vips().size() == 1);
  f.Good({Begin(false, 2), Delete(MessageType::kDeleteQuicLb, 2 * 7),
          Delete(MessageType::kDeleteQuicLb, 2 * 7 + 1), SetBackend(1, kNoNextHop), Commit(3)});
  quic = &f.snapshot->get()->quic;
  CHECK(vip(2) == 0);
  CHECK(quic->vips().empty());
  CHECK(quic->Find(0, id) == nullptr);
}

TEST_CASE("all configurations that there can be fit") {
  Fixture f;
  f.Good({Begin(true), SetGlobals(), SetPool(0, kSlots, 0), SetBackend(1, kNoNextHop)});
  for (uint32_t i = 0; i < kMaxVips; ++i) f.Good({UdpVip(i, 0)});
  for (uint32_t i = 0; i < kMaxQuicLbs; ++i) f.Good({SetQuicLb(i)});
  f.Good({Commit(1)});
  CHECK(f.snapshot->get()->quic.vips().size() == kMaxVips);
  // What this costs, as the decision page says.
  CHECK(f.memory.used_bytes() < 16 << 20);
}

TEST_CASE("a commit finds configurations without a UDP VIP, and server IDs of no pool or of two") {
  Fixture f;
  const std::vector<Request> base = {Begin(true), SetGlobals(), SetPool(0, kSlots, 0),
                                     WithServerId(SetBackend(1, kNoNextHop), 0, 0, 9)};
  const auto with = [&](std::vector<Request> more) {
    more.insert(more.begin(), base.begin(), base.end());
    more.push_back(Commit(1));
    return more;
  };
  const auto unresolved = ResponseCode::kUnresolvedReference;
  f.Bad(with({SetQuicLb(16)}), unresolved, "quic_lb[16].vip", 2);
  f.Bad(with({SetVip(2, 0), SetQuicLb(16)}), unresolved, "quic_lb[16].vip", 2);  // TCP
  f.Bad(with({UdpVip(1, 0), SetQuicLb(16)}), unresolved, "quic_lb[16].vip", 2);
  f.Bad(with({UdpVip(2, 0), SetQuicLb(16), Delete(MessageType::kDeleteVip, 2)}), unresolved,
        "quic_lb[16].vip", 2);
  f.Bad(with({WithServerId(SetBackend(2, kNoNextHop), 5, 0, 9)}), unresolved,
        "backend[2].server_id_pool", 5);
  f.Bad(with({WithServerId(SetBackend(2, kNoNextHop), 0, 0, 9)}), ResponseCode::kDuplicate,
        "backend[2].server_id", 0x0009000000000000);
  f.Good(with({UdpVip(2, 0), SetQuicLb(16), SetPool(5, kSlots, 0),
               WithServerId(SetBackend(2, kNoNextHop), 5, 0, 9),
               WithServerId(SetBackend(3, kNoNextHop), 0, 9, 0)}));
}

}  // namespace
}  // namespace guideway
