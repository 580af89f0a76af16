// The VIP table: exact and any-port VIPs, address markers, full tables.
#include "dataplane/tables/vip_table.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <vector>

namespace guideway {
namespace {

IpAddress Address(const char* text) { return IpAddress::Parse(text).value(); }

struct Table {
  explicit Table(size_t vips) : cells(VipTable::CellsFor(vips)), table(absl::MakeSpan(cells)) {}
  bool Insert(const char* address, uint16_t port, IpProtocol protocol, uint32_t vip) {
    return table.Insert(Address(address), Be16(port), protocol, vip,
                        static_cast<uint16_t>(vip + 100));
  }
  int Find(const char* address, uint16_t port, IpProtocol protocol) const {
    const VipCell* cell = table.Find(Address(address), Be16(port), protocol);
    if (cell == nullptr) return -1;
    CHECK(cell->pool == cell->vip + 100);
    return static_cast<int>(cell->vip);
  }
  std::vector<VipCell> cells;
  VipTable table;
};

TEST_CASE("an empty table finds nothing") {
  VipTable none;
  CHECK_FALSE(none.Insert(Address("192.0.2.1"), Be16(80), IpProtocol::kTcp, 0, 0));
  CHECK(none.Find(Address("192.0.2.1"), Be16(80), IpProtocol::kTcp) == nullptr);
  CHECK_FALSE(none.HasAddress(Address("192.0.2.1")));
  CHECK(Table(0).Find("192.0.2.1", 80, IpProtocol::kTcp) == -1);
}

TEST_CASE("for fragments the first VIP of address and protocol counts, and only for them") {
  Table t(6);
  REQUIRE(t.Insert("192.0.2.1", 80, IpProtocol::kUdp, 4));
  REQUIRE(t.table.InsertForFragments(Address("192.0.2.1"), IpProtocol::kUdp, 4, 104));
  REQUIRE(t.Insert("192.0.2.1", 90, IpProtocol::kUdp, 5));
  REQUIRE(t.table.InsertForFragments(Address("192.0.2.1"), IpProtocol::kUdp, 5, 105));
  const VipCell* cell = t.table.FindForFragments(Address("192.0.2.1"), IpProtocol::kUdp);
  REQUIRE(cell != nullptr);
  CHECK(cell->vip == 4);
  CHECK(cell->pool == 104);
  CHECK(t.table.FindForFragments(Address("192.0.2.1"), IpProtocol::kTcp) == nullptr);
  CHECK(t.table.FindForFragments(Address("192.0.2.2"), IpProtocol::kUdp) == nullptr);
  CHECK(t.Find("192.0.2.1", 0, IpProtocol::kUdp) == -1);
  CHECK(t.Find("192.0.2.1", 81, IpProtocol::kUdp) == -1);
}

TEST_CASE("address, port and protocol all count") {
  Table t(3);
  CHECK(t.Insert("192.0.2.1", 80, IpProtocol::kTcp, 0));
  CHECK(t.Insert("192.0.2.1", 80, IpProtocol::kUdp, 1));
  CHECK(t.Insert("2001:db8::1", 443, IpProtocol::kTcp, 2));
  CHECK_FALSE(t.Insert("192.0.2.1", 80, IpProtocol::kTcp, 3));
  CHECK(t.Find("192.0.2.1", 80, IpProtocol::kTcp) == 0);
  CHECK(t.Find("192.0.2.1", 80, IpProtocol::kUdp) == 1);
  CHECK(t.Find("2001:db8::1", 443, IpProtocol::kTcp) == 2);
  CHECK(t.Find("192.0.2.1", 81, IpProtocol::kTcp) == -1);
  CHECK(t.Find("192.0.2.2", 80, IpProtocol::kTcp) == -1);
  CHECK(t.Find("2001:db8::1", 443, IpProtocol::kUdp) == -1);
  // The address marker is not a VIP of port 0.
  CHECK(t.Find("192.0.2.1", 0, IpProtocol::kTcp) == -1);
  CHECK(t.table.HasAddress(Address("192.0.2.1")));
  CHECK(t.table.HasAddress(Address("2001:db8::1")));
  CHECK_FALSE(t.table.HasAddress(Address("192.0.2.2")));
}

TEST_CASE("a VIP of every port, and the exact port that wins over it") {
  Table t(3);
  CHECK(t.Insert("192.0.2.1", 0, IpProtocol::kUdp, 0));
  CHECK(t.Insert("192.0.2.1", 53, IpProtocol::kUdp, 1));
  CHECK_FALSE(t.Insert("192.0.2.1", 0, IpProtocol::kUdp, 2));
  CHECK(t.Find("192.0.2.1", 1, IpProtocol::kUdp) == 0);
  CHECK(t.Find("192.0.2.1", 65535, IpProtocol::kUdp) == 0);
  CHECK(t.Find("192.0.2.1", 53, IpProtocol::kUdp) == 1);
  CHECK(t.Find("192.0.2.1", 53, IpProtocol::kTcp) == -1);
  CHECK(t.Find("192.0.2.2", 53, IpProtocol::kUdp) == -1);
}

TEST_CASE("as many VIPs as it was sized for, each on its own address") {
  constexpr uint32_t kCount = 4096;
  Table t(kCount);
  for (uint32_t i = 0; i < kCount; ++i) {
    REQUIRE(t.table.Insert(IpAddress::FromIpv4(Be32(0x0a000000 + i)), Be16(80), IpProtocol::kTcp, i,
                           0));
  }
  size_t used = 0;
  for (const VipCell& cell : t.cells) used += cell.service != 0;
  CHECK(used == 2 * kCount);
  CHECK(used * 4 <= t.cells.size());
  for (uint32_t i = 0; i < kCount; ++i) {
    const IpAddress address = IpAddress::FromIpv4(Be32(0x0a000000 + i));
    const VipCell* cell = t.table.Find(address, Be16(80), IpProtocol::kTcp);
    REQUIRE(cell != nullptr);
    REQUIRE(cell->vip == i);
    REQUIRE(t.table.HasAddress(address));
  }
  CHECK_FALSE(t.table.HasAddress(IpAddress::FromIpv4(Be32(0x0a000000 + kCount))));
}

TEST_CASE("a table that is too small refuses instead of looping") {
  Table t(0);  // 8 cells
  CHECK(t.Insert("192.0.2.1", 80, IpProtocol::kTcp, 0));
  CHECK(t.Insert("192.0.2.2", 80, IpProtocol::kTcp, 1));
  CHECK(t.Insert("192.0.2.3", 80, IpProtocol::kTcp, 2));
  CHECK(t.Insert("192.0.2.4", 80, IpProtocol::kTcp, 3));
  CHECK_FALSE(t.Insert("192.0.2.5", 80, IpProtocol::kTcp, 4));
  CHECK(t.Find("192.0.2.6", 80, IpProtocol::kTcp) == -1);
  // Most are not in the bucket that they belong to.
  CHECK(t.Find("192.0.2.1", 80, IpProtocol::kTcp) == 0);
  CHECK(t.Find("192.0.2.2", 80, IpProtocol::kTcp) == 1);
  CHECK(t.Find("192.0.2.3", 80, IpProtocol::kTcp) == 2);
  CHECK(t.Find("192.0.2.4", 80, IpProtocol::kTcp) == 3);
}

// Now and then both cells of a bucket have the same tag, and the wrong one is looked at first.
TEST_CASE("both VIPs of a bucket are found, whatever their tags") {
  std::mt19937 random(1);
  std::vector<VipCell> cells(VipTable::CellsFor(2));
  size_t missing = 0;
  for (uint32_t round = 0; round < 8'000'000; ++round) {
    std::fill(cells.begin(), cells.end(), VipCell{});
    VipTable table(absl::MakeSpan(cells));
    const IpAddress addresses[] = {IpAddress::FromIpv4(Be32(static_cast<uint32_t>(random()))),
                                   IpAddress::FromIpv4(Be32(static_cast<uint32_t>(random())))};
    for (const IpAddress& address : addresses) {
      table.Insert(address, Be16(80), IpProtocol::kTcp, 0, 0);
    }
    for (const IpAddress& address : addresses) {
      missing += table.Find(address, Be16(80), IpProtocol::kTcp) == nullptr;
    }
  }
  CHECK(missing == 0);
}

}  // namespace
}  // namespace guideway
