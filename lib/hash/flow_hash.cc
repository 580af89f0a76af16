// HOT PATH (FlowHash and SourceHash): no allocation, lock, log, system call or exception.
#include "lib/hash/flow_hash.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "lib/hash/siphash.h"

namespace guideway {
namespace {

// The key is made from the secret by two SipHashes under fixed keys (128 bits of key material) and
// then by SipHash in counter mode. Both constants are part of the format: changing them moves
// flows.
constexpr SipKey kDerive0{0x6775696465776179, 0};  // "guideway"
constexpr SipKey kDerive1{0x6775696465776179, 1};

uint64_t FoldedMultiply(uint64_t a, uint64_t b) {
  const auto product = static_cast<Uint128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

uint64_t LoadWord(const uint8_t* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof(word));
  return LittleEndian(word);
}

Be32 Masked(Be32 word, uint32_t bits) {
  return Be32(bits == 0 ? 0 : word.host() & 0xffffffffu << (32 - std::min(bits, 32u)));
}

}  // namespace

FlowHashKey FlowHashKey::FromSecret(const std::string& secret) {
  const SipKey derived{SipHash24(kDerive0, secret), SipHash24(kDerive1, secret)};
  FlowHashKey key;
  for (size_t i = 0; i < key.words.size(); ++i) key.words[i] = SipHash24(derived, uint64_t{i});
  return key;
}

uint64_t FlowHash(const FlowHashKey& key, const FlowKey& flow) {
  const auto& k = key.words;
  const auto* bytes = reinterpret_cast<const uint8_t*>(&flow);
  const uint64_t source = FoldedMultiply(LoadWord(bytes) ^ k[0], LoadWord(bytes + 8) ^ k[1]);
  const uint64_t destination =
      FoldedMultiply(LoadWord(bytes + 16) ^ k[2], LoadWord(bytes + 24) ^ k[3]);
  const uint64_t ports = LoadWord(bytes + 32);
  const uint64_t hash = FoldedMultiply(source ^ ports ^ k[4], destination ^ k[5]);
  return hash != 0 ? hash : 1;
}

uint64_t SourceHash(const FlowHashKey& key, const IpAddress& source, uint32_t bits_ipv4,
                    uint32_t bits_ipv6) {
  FlowKey client;
  client.protocol = IpProtocol{};
  if (source.IsIpv4()) {
    client.source = IpAddress::FromIpv4(Masked(source.ipv4(), bits_ipv4));
  } else {
    auto words = std::bit_cast<std::array<Be32, 4>>(source);
    for (uint32_t i = 0; i < words.size(); ++i) {
      const uint32_t before = 32 * i;
      words[i] = Masked(words[i], bits_ipv6 > before ? bits_ipv6 - before : 0);
    }
    client.source = std::bit_cast<IpAddress>(words);
  }
  return FlowHash(key, client);
}

}  // namespace guideway
