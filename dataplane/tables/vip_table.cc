// HOT PATH (Find...(), HasAddress): no allocation, lock, log, system call or
// exception. The rest builds the table.
#include "dataplane/tables/vip_table.h"

#include <algorithm>
#include <bit>

namespace guideway {
namespace {

constexpr uint8_t kAddressMarker = 0;    // as protocol
constexpr uint8_t kForFragments = 0x80;  // likewise, with the protocol

bool IsMarker(const VipCell& cell) {
  return cell.protocol() == kAddressMarker || (cell.protocol() & kForFragments) != 0;
}

}  // namespace

size_t VipTable::CellsFor(size_t vip_count) {
  // A VIP takes its own cell and, if no other VIP shares its address, one for the address marker.
  return std::bit_ceil(std::max(vip_count, size_t{1}) * 8);
}

bool VipTable::Insert(const IpAddress& address, Be16 port, IpProtocol protocol, uint32_t vip,
                      uint16_t pool, uint16_t max_segment_size) {
  if (FindExact(address, port, static_cast<uint8_t>(protocol)) != nullptr) return false;
  const bool new_address = !HasAddress(address);
  VipCell cell{.address = address,
               .service = VipCell::ServiceOf(port, static_cast<uint8_t>(protocol)),
               .pool = pool,
               .max_segment_size = max_segment_size,
               .vip = vip};
  if (!Put(cell)) return false;
  cell.service = VipCell::ServiceOf(Be16(0), kAddressMarker);
  if (new_address && !Put(cell)) return false;
  if (port == Be16(0)) any_port_ = true;
  return true;
}

void VipTable::WriteAt(size_t place, VipCell cell) {
  const bool second = place % kCellsPerBucket != 0;
  cell.tag = second ? TagOf(HashOf(cell.address, cell.service)) : cells_[place].tag;
  cells_[place] = cell;
}

// Every packet asks for a VIP, few for a marker: in the VIP's bucket a marker makes room.
bool VipTable::Put(const VipCell& cell) {
  if (cells_.empty()) return false;
  const size_t home = (HashOf(cell.address, cell.service) & bucket_mask_) * kCellsPerBucket;
  const bool full = cells_[home].service != 0 && cells_[home + 1].service != 0;
  for (const size_t place : {home, home + 1}) {
    if (!full || IsMarker(cell) || !IsMarker(cells_[place])) continue;
    const VipCell marker = cells_[place];
    WriteAt(place, cell);
    return PutFrom(home, marker);
  }
  return PutFrom(home, cell);
}

// Into the first free cell from the bucket at `home` on.
bool VipTable::PutFrom(size_t home, const VipCell& cell) {
  for (size_t probe = 0; probe < cells_.size(); ++probe) {
    const size_t place = (home + probe) & (cells_.size() - 1);
    if (cells_[place].service == 0) {
      WriteAt(place, cell);
      return true;
    }
    if (probe % kCellsPerBucket != 0) cells_[place - 1].tag = 1;
  }
  return false;
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
