// What a hostile end of the channel can do to the shared memory and to descriptors, for the two
// targets of the channel.
#ifndef GUIDEWAY_TESTS_FUZZ_HOSTILE_PEER_H_
#define GUIDEWAY_TESTS_FUZZ_HOSTILE_PEER_H_

#include <fcntl.h>
#include <unistd.h>

#include "lib/channel/ring.h"
#include "tests/fuzz/fuzz.h"

namespace guideway::fuzz {

// Sets one of a ring's indices to a near (1 byte) or any (8 bytes) number, from the other index.
inline void PokeIndices(uint8_t* ring, Input& input) {
  auto* indices = reinterpret_cast<channel::RingIndices*>(ring);
  const uint8_t how = input.U8();
  std::atomic<uint64_t>& index = (how & 1) != 0 ? indices->written : indices->read;
  const std::atomic<uint64_t>& other = (how & 1) != 0 ? indices->read : indices->written;
  index.store((how & 2) != 0 ? input.U64() : other.load() + input.U8());
}

// Overwrites up to 255 bytes of a ring's messages (or of its indices).
inline void PokeBytes(uint8_t* ring, size_t ring_bytes, Input& input) {
  const size_t at = input.U16() % ring_bytes;
  const std::vector<uint8_t> bytes = input.Bytes(input.U8());
  std::copy_n(bytes.begin(), std::min(bytes.size(), ring_bytes - at), ring + at);
}

// The lowest free descriptor number: grows if descriptors leak.
inline int LowestFreeDescriptor() {
  const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  close(fd);
  return fd;
}

}  // namespace guideway::fuzz

#endif  // GUIDEWAY_TESTS_FUZZ_HOSTILE_PEER_H_
