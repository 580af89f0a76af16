// AES-128 on single blocks (FIPS 197), for connection IDs of QUIC-LB.
//
// With the CPU's AES instructions where it has them, else in plain C++; both give the same bytes.
// The plain one looks bytes up in a table, so whoever shares a core's cache could time it: servers
// have AES instructions. A key is constant once made: any number of threads may use it. No
// allocation.
#ifndef GUIDEWAY_LIB_NET_AES128_H_
#define GUIDEWAY_LIB_NET_AES128_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace guideway {

class Aes128 {
 public:
  static constexpr size_t kBlockBytes = 16;
  using Block = std::array<uint8_t, kBlockBytes>;

  // The key of 16 zero bytes.
  Aes128() : Aes128(Block{}) {}
  // `use_instructions` false: plain C++ even where there are instructions, for tests.
  explicit Aes128(const Block& key, bool use_instructions = true);

  // `to` may be `from`. Not returned by value: two registers of 8 bytes, put together again, would
  // cost a quarter of the time.
  void Encrypt(const Block& from, Block* to) const;
  void Decrypt(const Block& from, Block* to) const;
  bool uses_instructions() const { return uses_instructions_; }

 private:
  static constexpr size_t kRounds = 10;
  struct alignas(kBlockBytes) Schedule {
    uint8_t keys[kRounds + 1][kBlockBytes];
  };
  Schedule encrypt_;
  Schedule decrypt_;  // of the equivalent inverse cipher (FIPS 197, section 5.3.5)
  bool uses_instructions_;
};

}  // namespace guideway

#endif  // GUIDEWAY_LIB_NET_AES128_H_
