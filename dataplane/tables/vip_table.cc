// HOT PATH (Find...(), HasAddress): no allocation, lock, log, system call or
// exception. The rest builds the table.
#include "dataplane/tables/vip_table.h"

#include <algorithm>
#include <bit>

namespace guideway {
namespace {

constexpr uint8_t kAddressMarker = 0;    // as protocol
constexpr uint8_t kForFragments = 0x80;  // likewise, with the protocol

}  // namespace

size_t VipTable::CellsFor(size_t vip_count) {
  // A VIP takes its own cell and, if no other VIP shares its address, one for the address marker.
  return std::bit_ceil(std::max(vip_count, size_t{1}) * 8);
}

bool VipTable::Insert(const IpAddress& address, Be16 port, IpProtocol protocol, uint32_t vip,
                      uint16_t pool, uint16_t max_segment_size) {
  if (FindExact(address, port, static_cast<uint8_t>(protocol)) != nullptr) return false;
  const bool new_address = !HasAddress(address);
  const auto put = [&](Be16 cell_port, uint8_t cell_protocol) -> bool {
    const uint32_t service = VipCell::ServiceOf(cell_port, cell_protocol);
    const uint64_t hash = HashOf(address, service);
    const size_t home = (hash & bucket_mask_) * kCellsPerBucket;
    for (size_t probe = 0; probe < cells_.size(); ++probe) {
      VipCell& cell = cells_[(home + probe) & (cells_.size() - 1)];
      const bool second = probe % kCellsPerBucket != 0;
      if (cell.service != 0) {
        if (second) (&cell)[-1].tag = 1;
        continue;
      }
      cell.address = address;
      cell.service = service;
      cell.pool = pool;
      cell.max_segment_size = max_segment_size;
      cell.vip = vip;
      if (second) cell.tag = TagOf(hash);
      return true;
    }
    return false;
  };
  if (!put(port, static_cast<uint8_t>(protocol))) return false;
  if (new_address && !put(Be16(0), kAddressMarker)) return false;
  if (port == Be16(0)) any_port_ = true;
  return true;
}

void VipTable::SetQuicVip(const IpAddress& address, Be16 port, IpProtocol protocol,
                          uint16_t quic_vip) {
  const VipCell* found = FindExact(address, port, static_cast<uint8_t>(protocol));
  if (found != nullptr) cells_[static_cast<size_t>(found - cells_.data())].quic_vip = quic_vip;
}

bool VipTable::InsertForFragments(const IpAddress& address, IpProtocol protocol, uint32_t vip,
                                  uint16_t pool) {
  if (FindForFragments(address, protocol) != nullptr) return true;
  const auto marker = static_cast<IpProtocol>(kForFragments | static_cast<uint8_t>(protocol));
  const bool any_port = any_port_;
  const bool inserted = Insert(address, Be16(0), marker, vip, pool);
  any_port_ = any_port;
  return inserted;
}

const VipCell* VipTable::FindForFragments(const IpAddress& address, IpProtocol protocol) const {
  return FindExact(address, Be16(0),
                   static_cast<uint8_t>(kForFragments | static_cast<uint8_t>(protocol)));
}

// Every bucket from the service's own on, up to one that nobody went on from.
const VipCell* VipTable::FindFurther(const IpAddress& address, uint32_t service,
                                     uint64_t hash) const {
  uint64_t bucket = hash;
  for (const uint64_t last = bucket + bucket_mask_;; ++bucket) {
    const VipCell* pair = first_ + (bucket & bucket_mask_) * kCellsPerBucket;
    for (size_t i = 0; i < kCellsPerBucket; ++i) {
      if (Matches(pair[i], address, service)) return pair + i;
    }
    if (pair[0].tag == 0 || bucket == last) return nullptr;
  }
}

// Not inline, as FindExact is: fewer packets come by, and the loop over a burst is shorter.
const VipCell* VipTable::FindAnyPort(const IpAddress& address, IpProtocol protocol) const {
  return FindExact(address, Be16(0), static_cast<uint8_t>(protocol));
}

bool VipTable::HasAddress(const IpAddress& address) const {
  return FindExact(address, Be16(0), kAddressMarker) != nullptr;
}

}  // namespace guideway
