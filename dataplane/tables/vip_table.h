// VipTable: (destination address, port, protocol) -> Vip, one hash probe for most packets.
//
// Open addressing over 32-byte cells in a power-of-two array that is at most half full. A VIP with
// port 0 takes every port of its protocol; an exact port wins over it. Immutable after building;
// any number of readers. The cells are borrowed from the snapshot's memory.
#ifndef GUIDEWAY_DATAPLANE_TABLES_VIP_TABLE_H_
#define GUIDEWAY_DATAPLANE_TABLES_VIP_TABLE_H_

#include <cstdint>

#include "absl/types/span.h"
#include "lib/net/flow_key.h"

namespace guideway {

struct VipCell {
  IpAddress address;
  Be16 port;             // 0: any port, or the address marker (protocol 0)
  uint8_t protocol = 0;  // 0 with `used`: marks that the address belongs to some VIP
  uint8_t used = 0;
  uint16_t pool = 0;
  uint16_t max_segment_size = 0;  // SYNs announce at most this; 0: whatever they do
  uint32_t vip = 0;               // VIP index
  uint16_t quic_vip = 0;          // QUIC-LB: 1 + place in Snapshot::quic.vips; 0: none
  uint16_t reserved2 = 0;
};
static_assert(sizeof(VipCell) == 32);

class VipTable {
 public:
  VipTable() = default;
  // `cells` holds a power of two of zeroed cells, at least CellsFor(number of VIPs).
  explicit VipTable(absl::Span<VipCell> cells) : cells_(cells), mask_(cells.size() - 1) {}

  static size_t CellsFor(size_t vip_count);
  // Builder only. Adds the VIP and its address marker. False if the same VIP is there already.
  bool Insert(const IpAddress& address, Be16 port, IpProtocol protocol, uint32_t vip, uint16_t pool,
              uint16_t max_segment_size = 0);

  // Builder only. Of a VIP that is there; `quic_vip` as in VipCell.
  void SetQuicVip(const IpAddress& address, Be16 port, IpProtocol protocol, uint16_t quic_vip);

  // The cell of the VIP that takes this destination, or nullptr.
  const VipCell* Find(const IpAddress& address, Be16 port, IpProtocol protocol) const;
  // With fragments: hash3, where no port tells VIPs of one address apart. Builder only: the first
  // one entered for address and protocol counts.
  bool InsertForFragments(const IpAddress& address, IpProtocol protocol, uint32_t vip,
                          uint16_t pool);
  const VipCell* FindForFragments(const IpAddress& address, IpProtocol protocol) const;
  // Whether any VIP has this address.
  bool HasAddress(const IpAddress& address) const;

 private:
  const VipCell* FindExact(const IpAddress& address, Be16 port, uint8_t protocol) const;
  absl::Span<VipCell> cells_;
  size_t mask_ = 0;
  bool any_port_ = false;  // some VIP takes every port: a second probe is needed
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_TABLES_VIP_TABLE_H_
