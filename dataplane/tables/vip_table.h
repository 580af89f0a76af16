// VipTable: (destination address, port, protocol) -> Vip, one hash probe for most packets.
//
// Open addressing over buckets of two 32-byte cells, one cache line, in a power-of-two array that
// is at most a quarter full. Which of the two it is differs from packet to packet, so it is chosen
// by 16 bits of the hash without a branch, and then compared as a whole. A VIP with port 0 takes
// every port of its protocol; an exact port wins over it. Immutable after building; any number of
// readers. The cells are borrowed from the snapshot's memory.
#ifndef GUIDEWAY_DATAPLANE_TABLES_VIP_TABLE_H_
#define GUIDEWAY_DATAPLANE_TABLES_VIP_TABLE_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/types/span.h"
#include "lib/base/hot.h"
#include "lib/hash/flow_hash.h"
#include "lib/net/flow_key.h"

namespace guideway {

struct VipCell {
  IpAddress address;
  // What it is found by besides the address, as one word: port (0: any port, or the address
  // marker), protocol (0: marks that the address belongs to some VIP), and a mark. Unused cells: 0.
  uint32_t service = 0;
  uint16_t pool = 0;
  uint16_t max_segment_size = 0;  // SYNs announce at most this; 0: whatever they do
  uint32_t vip = 0;               // VIP index
  uint16_t quic_vip = 0;          // QUIC-LB: 1 + place in Snapshot::quic.vips; 0: none
  // Of the second cell of a bucket: a part of the hash; unused: 0. Of the first: 1 if one that
  // belongs here found both cells taken.
  uint16_t tag = 0;

  // By arithmetic: what is stored in pieces and read as a word would have to wait.
  static constexpr uint32_t ServiceOf(Be16 port, uint8_t protocol) {
    const uint32_t wire = port.wire();
    return kLittle ? wire | uint32_t{protocol} << 16 | kMark
                   : wire << 16 | uint32_t{protocol} << 8 | kMark;
  }
  Be16 port() const {
    return Be16::FromWire(static_cast<uint16_t>(kLittle ? service : service >> 16));
  }
  uint8_t protocol() const { return static_cast<uint8_t>(service >> (kLittle ? 16 : 8)); }
  // The same, as a FlowKey has them: port, protocol and zero side by side.
  static uint32_t ServiceOf(const FlowKey& key) {
    static_assert(offsetof(FlowKey, protocol) - offsetof(FlowKey, destination_port) == 2);
    uint32_t word;
    const auto* bytes = reinterpret_cast<const uint8_t*>(&key);
    std::memcpy(&word, bytes + offsetof(FlowKey, destination_port), sizeof(word));
    return word | kMark;
  }

 private:
  static constexpr bool kLittle = std::endian::native == std::endian::little;
  static constexpr uint32_t kMark = kLittle ? 1u << 24 : 1;
};
static_assert(sizeof(VipCell) == 32);

class VipTable {
 public:
  VipTable() = default;
  // `cells` holds a power of two of zeroed cells, at least CellsFor(number of VIPs).
  explicit VipTable(absl::Span<VipCell> cells)
      : cells_(cells), first_(cells.data()), bucket_mask_(cells.size() / kCellsPerBucket - 1) {}

  static size_t CellsFor(size_t vip_count);
  // Builder only. Adds the VIP and its address marker. False if the same VIP is there already.
  bool Insert(const IpAddress& address, Be16 port, IpProtocol protocol, uint32_t vip, uint16_t pool,
              uint16_t max_segment_size = 0);

  // Builder only. Of a VIP that is there; `quic_vip` as in VipCell.
  void SetQuicVip(const IpAddress& address, Be16 port, IpProtocol protocol, uint16_t quic_vip);

  // The cell of the VIP that takes this destination, or nullptr.
  const VipCell* Find(const IpAddress& address, Be16 port, IpProtocol protocol) const;
  const VipCell* Find(const FlowKey& key) const;
  // With fragments: hash3, where no port tells VIPs of one address apart. Builder only: the first
  // one entered for address and protocol counts.
  bool InsertForFragments(const IpAddress& address, IpProtocol protocol, uint32_t vip,
                          uint16_t pool);
  const VipCell* FindForFragments(const IpAddress& address, IpProtocol protocol) const;
  // Whether any VIP has this address.
  bool HasAddress(const IpAddress& address) const;

 private:
  static constexpr size_t kCellsPerBucket = 2;
  static constexpr VipCell kNoCells[kCellsPerBucket] = {};

  static uint64_t HashOf(const IpAddress& address, uint32_t service);
  static uint16_t TagOf(uint64_t hash) { return static_cast<uint16_t>(hash >> 48 | 1); }
  static bool Matches(const VipCell& cell, const IpAddress& address, uint32_t service) {
    return cell.address == address && cell.service == service;
  }
  const VipCell* FindExact(const IpAddress& address, Be16 port, uint8_t protocol) const {
    return FindExact(address, VipCell::ServiceOf(port, protocol));
  }
  const VipCell* FindExact(const IpAddress& address, uint32_t service) const;
  const VipCell* FindFurther(const IpAddress& address, uint32_t service, uint64_t hash) const;
  const VipCell* FindAnyPort(const IpAddress& address, IpProtocol protocol) const;
  // Builder only. `place`: of a cell.
  bool Put(const VipCell& cell);
  bool PutFrom(size_t home, const VipCell& cell);
  void WriteAt(size_t place, VipCell cell);

  absl::Span<VipCell> cells_;
  const VipCell* first_ = kNoCells;  // of cells_, if there are any
  size_t bucket_mask_ = 0;
  bool any_port_ = false;  // some VIP takes every port: a second probe is needed
};

// HOT PATH from here on: inline, because every packet comes by.

// Not keyed: VIPs are the operator's, so nobody else chooses what is in the table. Folded, because
// VIPs differ in the last bytes of the address, the high bits of a word.
inline uint64_t VipTable::HashOf(const IpAddress& address, uint32_t service) {
  const auto words = std::bit_cast<std::array<uint64_t, 2>>(address);
  return FoldedMultiply(words[0] ^ 0x9e3779b97f4a7c15, words[1] ^ service ^ 0xff51afd7ed558ccd);
}

inline const VipCell* VipTable::FindExact(const IpAddress& address, uint32_t service) const {
  const uint64_t hash = HashOf(address, service);
  const VipCell* pair = first_ + (hash & bucket_mask_) * kCellsPerBucket;
  const VipCell& cell = pair[Opaque(size_t{pair[1].tag == TagOf(hash)})];
  if (Matches(cell, address, service)) [[likely]]
    return &cell;
  // Both tags may be the same, or the cell is in a further bucket.
  const bool further = pair[1].tag == TagOf(hash) || pair[0].tag != 0;
  return further ? FindFurther(address, service, hash) : nullptr;
}

inline const VipCell* VipTable::Find(const IpAddress& address, Be16 port,
                                     IpProtocol protocol) const {
  const VipCell* cell = FindExact(address, port, static_cast<uint8_t>(protocol));
  return cell == nullptr && any_port_ ? FindAnyPort(address, protocol) : cell;
}

inline const VipCell* VipTable::Find(const FlowKey& key) const {
  const VipCell* cell = FindExact(key.destination, VipCell::ServiceOf(key));
  return cell == nullptr && any_port_ ? FindAnyPort(key.destination, key.protocol) : cell;
}

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_TABLES_VIP_TABLE_H_
