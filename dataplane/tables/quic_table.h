// QuicTable: what routes QUIC packets by connection ID - the VIPs' configurations of QUIC-LB, and
// (pool, server ID) -> backend by exact lookup.
//
// Open addressing over cells in a power-of-two array that is at most half full. Immutable after
// building; any number of readers. All memory is the snapshot's.
#ifndef GUIDEWAY_DATAPLANE_TABLES_QUIC_TABLE_H_
#define GUIDEWAY_DATAPLANE_TABLES_QUIC_TABLE_H_

#include <array>
#include <cstdint>

#include "absl/types/span.h"
#include "lib/net/quic_lb.h"

namespace guideway {

// The configurations of one VIP by ID; null: the VIP has none of that ID.
using QuicVip = std::array<const QuicLb*, kQuicLbConfigs>;

struct ServerCell {
  ServerId id;  // length 0: the cell is free
  uint16_t pool = 0;
  uint16_t backend = 0;  // index
};
static_assert(sizeof(ServerCell) == 20);

class QuicTable {
 public:
  QuicTable() = default;
  // `servers` holds CellsFor(number of server IDs) fresh cells.
  QuicTable(absl::Span<const QuicVip> vips, absl::Span<ServerCell> servers)
      : vips_(vips), servers_(servers), mask_(servers.size() - 1) {}

  // 0, or a power of two.
  static size_t CellsFor(size_t server_count);
  // Builder only. False if it is there already or there is no room.
  bool Insert(uint16_t pool, const ServerId& id, uint16_t backend);

  // By VipCell::quic_vip - 1.
  absl::Span<const QuicVip> vips() const { return vips_; }
  // The cell of the backend that has this server ID in this pool, or nullptr. `id` is not empty.
  const ServerCell* Find(uint16_t pool, const ServerId& id) const;

 private:
  absl::Span<const QuicVip> vips_;
  absl::Span<ServerCell> servers_;
  size_t mask_ = 0;
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_TABLES_QUIC_TABLE_H_
