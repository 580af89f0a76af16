// The flow hash: 64 bits, keyed with a fleet-wide secret, the same on every node and CPU type.
//
// It picks the Maglev slot, the flow table's bucket and the flow's tag. The construction is three
// folded 64x64->128-bit multiplications over secret-whitened words (see docs/decisions): an
// outsider who does not know the secret cannot aim flows at a slot or bucket. Thread safety:
// values.
#ifndef GUIDEWAY_LIB_HASH_FLOW_HASH_H_
#define GUIDEWAY_LIB_HASH_FLOW_HASH_H_

#include <array>
#include <cstdint>
#include <cstring>
#include <string>

#include "lib/base/hot.h"
#include "lib/hash/siphash.h"
#include "lib/net/flow_key.h"

namespace guideway {

__extension__ using Uint128 = unsigned __int128;  // GCC's and Clang's; ISO C++ has none

struct FlowHashKey {
  std::array<uint64_t, 6> words{};

  // Derives the key from the configuration's secret (any bytes, any length).
  static FlowHashKey FromSecret(const std::string& secret);
  friend bool operator==(const FlowHashKey&, const FlowHashKey&) = default;
};

// Never 0, so that 0 can mean "no flow".
uint64_t FlowHash(const FlowHashKey& key, const FlowKey& flow);

// The hash of a client: FlowHash() of a FlowKey that has only its address, cut to so many leading
// bits (0..32 for IPv4, 0..128 for IPv6), and is 0 otherwise, ports and protocol included.
uint64_t SourceHash(const FlowHashKey& key, const IpAddress& source, uint32_t bits_ipv4,
                    uint32_t bits_ipv6);

// Maps a flow hash onto [0, slot_count) without division (the high half of the product).
inline uint32_t SlotOf(uint64_t flow_hash, uint32_t slot_count) {
  return static_cast<uint32_t>((static_cast<Uint128>(flow_hash) * slot_count) >> 64);
}

// Inline, because every packet comes by.

inline uint64_t FoldedMultiply(uint64_t a, uint64_t b) {
  const auto product = static_cast<Uint128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline uint64_t FlowHash(const FlowHashKey& key, const FlowKey& flow) {
  const auto& k = key.words;
  const auto word = [&flow](size_t index) {
    uint64_t value;
    std::memcpy(&value, reinterpret_cast<const uint8_t*>(&flow) + 8 * index, sizeof(value));
    return LittleEndian(value);
  };
  const uint64_t source = FoldedMultiply(word(0) ^ k[0], word(1) ^ k[1]);
  const uint64_t destination = FoldedMultiply(word(2) ^ k[2], word(3) ^ k[3]);
  const uint64_t hash = Opaque(FoldedMultiply(source ^ word(4) ^ k[4], destination ^ k[5]));
  return hash + (hash == 0);
}

}  // namespace guideway

#endif  // GUIDEWAY_LIB_HASH_FLOW_HASH_H_
