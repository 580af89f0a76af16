// HOT PATH (FlowHash only): no allocation, lock, log, system call or exception.
#include "lib/hash/flow_hash.h"

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

}  // namespace guideway
