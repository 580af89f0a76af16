// Builds the packet benchmark's tables.
#include "perf/micro/world.h"

#include <glog/logging.h>
#include <sys/mman.h>

#include <bit>
#include <string>

#include "lib/hash/maglev.h"

namespace guideway {
namespace {

using channel::Encapsulation;

constexpr size_t kHugePageBytes = size_t{2} << 20;
constexpr uint32_t kTenPools = 10;
constexpr uint16_t kGuePort = 6080;

IpAddress OuterAddress(IpFamily family, uint32_t number) {
  if (family == IpFamily::kIpv4) return IpAddress::FromIpv4(Be32(0x0a000000 + number));
  return IpAddress::Parse("fd00::" + std::to_string(number)).value();
}

}  // namespace

HugeMemory::HugeMemory(size_t bytes)
    : bytes_((bytes + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes),
      memory_(mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0)) {
  PCHECK(memory_ != MAP_FAILED) << bytes_ / kHugePageBytes << " hugepages of 2 MiB";
}

HugeMemory::~HugeMemory() { munmap(memory_, bytes_); }

BenchmarkWorld::BenchmarkWorld(const Options& options)
    : cells_(VipTable::CellsFor(2 * kBenchmarkVips)), backends_(kBenchmarkBackends) {
  tables_.generation = 1;
  tables_.flow_hash_key = FlowHashKey::FromSecret("benchmark");
  tables_.flow_key_digest = 1;
  AddBackends(options);
  AddPools(options);
  AddVips(static_cast<uint32_t>(pools_.size()));
  for (uint32_t worker = 0; worker < options.workers; ++worker) {
    const size_t bytes = FlowTable::BytesFor(options.flows_per_worker);
    memory_.push_back(std::make_unique<HugeMemory>(bytes));
    flows_.push_back(std::make_unique<FlowTable>());
    bool kept = false;
    const auto attached = flows_.back()->Attach(memory_.back()->get(), bytes, &kept);
    CHECK(attached.ok()) << attached.ToString();
    flows_.back()->Clear(tables_.flow_key_digest);
  }
}

void BenchmarkWorld::AddBackends(const Options& options) {
  constexpr Encapsulation kOfTenPools[] = {Encapsulation::kIpip, Encapsulation::kGue,
                                           Encapsulation::kGre};
  constexpr uint32_t kIpv4OfTenPools = 6;
  for (uint16_t i = 0; i < kBenchmarkBackends; ++i) {
    const uint32_t pool = i % kTenPools;
    const bool outer_ipv4 =
        options.ten_pools ? pool < kIpv4OfTenPools : options.outer_family == IpFamily::kIpv4;
    const IpFamily family = outer_ipv4 ? IpFamily::kIpv4 : IpFamily::kIpv6;
    Backend& backend = backends_[i];
    backend.id = 1u << 16 | i;
    backend.exists = backend.keeps_known_flows = true;
    backend.encapsulation =
        options.ten_pools ? kOfTenPools[pool % std::size(kOfTenPools)] : options.encapsulation;
    backend.outer_source = OuterAddress(family, 1);
    backend.outer_destination = OuterAddress(family, 100 + i);
    backend.next_hop = {
        .port = 0, .mtu_bytes = 1500, .destination_mac = {}, .source_mac = {}, .vlan = Be16(0)};
    backend.gue_port = Be16(kGuePort);
    backend.gue_hop_list = options.gue_hop_list || options.ten_pools;
  }
  tables_.backends = backends_;
}

void BenchmarkWorld::AddPools(const Options& options) {
  const uint32_t pools = options.ten_pools ? kTenPools : 1;
  for (uint32_t pool = 0; pool < pools; ++pool) {
    std::vector<MaglevBackend> members;
    for (uint32_t i = pool; i < kBenchmarkBackends; i += pools) {
      members.push_back({"backend-" + std::to_string(i), 1, static_cast<uint16_t>(i)});
    }
    const auto table = BuildMaglevTable(members, kBenchmarkSlots, 1).value();
    std::vector<channel::MaglevSlot> slots;
    for (const uint16_t owner : table) {
      const uint32_t next = (owner + pools) % kBenchmarkBackends;
      const auto previous = static_cast<uint16_t>(options.slots_have_previous ? next : owner);
      slots.push_back({.current = owner, .previous = previous});
    }
    slots_.push_back(std::move(slots));
  }
  for (const auto& slots : slots_) {
    pools_.push_back({.slots = slots.data(), .slot_count = kBenchmarkSlots});
  }
  tables_.pools = pools_;
}

void BenchmarkWorld::AddVips(uint32_t pools) {
  tables_.vips = VipTable(absl::MakeSpan(cells_));
  for (uint32_t i = 0; i < kBenchmarkVips; ++i) {
    const auto ipv6 = std::bit_cast<IpAddress>(
        std::array<Be32, 4>{Be32(kVipsIpv6[0]), Be32(kVipsIpv6[1]), Be32(kVipsIpv6[2]), Be32(i)});
    const auto pool = static_cast<uint16_t>(i % pools);
    const Be16 port(kBenchmarkPort);
    CHECK(tables_.vips.Insert(IpAddress::FromIpv4(Be32(kVipsIpv4 + i)), port, IpProtocol::kTcp, i,
                              pool));
    CHECK(tables_.vips.Insert(ipv6, port, IpProtocol::kTcp, kBenchmarkVips + i, pool));
  }
}

}  // namespace guideway
