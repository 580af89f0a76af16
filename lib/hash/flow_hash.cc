// HOT PATH (SourceHash): no allocation, lock, log, system call or exception.
#include "lib/hash/flow_hash.h"

#include <algorithm>
#include <bit>

#include "lib/hash/siphash.h"

namespace guideway {
namespace {

// The key is made from the secret by two SipHashes under fixed keys (128 bits of key material) and
// then by SipHash in counter mode. Both constants are part of the format: changing them moves
// flows.
constexpr SipKey kDerive0{0x6775696465776179, 0};  // "guideway"
constexpr SipKey kDerive1{0x6775696465776179, 1};

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
