// HOT PATH (Find, HasAddress): no allocation, lock, log, system call or exception.
#include "dataplane/tables/vip_table.h"

#include <bit>
#include <cstring>

namespace guideway {
namespace {

constexpr uint8_t kAddressMarker = 0;    // in VipCell::protocol
constexpr uint8_t kForFragments = 0x80;  // likewise, with the protocol

// Not keyed: VIPs are the operator's, so nobody else chooses what is in the table, and at most half
// of the cells are taken.
size_t HashOf(const IpAddress& address, Be16 port, uint8_t protocol) {
  uint64_t low, high;
  std::memcpy(&low, &address.bytes[0], sizeof(low));
  std::memcpy(&high, &address.bytes[8], sizeof(high));
  uint64_t hash = low * 0x9e3779b97f4a7c15 ^ high;
  hash = (hash ^ (uint64_t{port.wire()} << 8 | protocol)) * 0xff51afd7ed558ccd;
  hash ^= hash >> 32;
  return static_cast<size_t>(hash * 0xc4ceb9fe1a85ec53 >> 20);
}

}  // namespace

size_t VipTable::CellsFor(size_t vip_count) {
  // A VIP takes its own cell and, if no other VIP shares its address, one for the address marker.
  return std::bit_ceil(vip_count * 4 < 4 ? size_t{4} : vip_count * 4);
}

bool VipTable::Insert(const IpAddress& address, Be16 port, IpProtocol protocol, uint32_t vip,
                      uint16_t pool, uint16_t max_segment_size) {
  if (FindExact(address, port, static_cast<uint8_t>(protocol)) != nullptr) return false;
  const bool new_address = !HasAddress(address);
  const auto put = [&](Be16 cell_port, uint8_t cell_protocol) -> bool {
    size_t at = HashOf(address, cell_port, cell_protocol);
    for (size_t probe = 0; probe < cells_.size(); ++probe, ++at) {
      VipCell& cell = cells_[at & mask_];
      if (cell.used != 0) continue;
      cell.address = address;
      cell.port = cell_port;
      cell.protocol = cell_protocol;
      cell.pool = pool;
      cell.max_segment_size = max_segment_size;
      cell.vip = vip;
      cell.used = 1;
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

const VipCell* VipTable::FindExact(const IpAddress& address, Be16 port, uint8_t protocol) const {
  if (cells_.empty()) return nullptr;
  size_t at = HashOf(address, port, protocol);
  for (size_t probe = 0; probe < cells_.size(); ++probe, ++at) {
    const VipCell& cell = cells_[at & mask_];
    if (cell.used == 0) return nullptr;
    if (cell.port == port && cell.protocol == protocol && cell.address == address) return &cell;
  }
  return nullptr;
}

const VipCell* VipTable::Find(const IpAddress& address, Be16 port, IpProtocol protocol) const {
  const VipCell* cell = FindExact(address, port, static_cast<uint8_t>(protocol));
  if (cell == nullptr && any_port_) {
    cell = FindExact(address, Be16(0), static_cast<uint8_t>(protocol));
  }
  return cell;
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

bool VipTable::HasAddress(const IpAddress& address) const {
  return FindExact(address, Be16(0), kAddressMarker) != nullptr;
}

}  // namespace guideway
