// QUIC-LB (draft-ietf-quic-load-balancers-21): the server ID in a QUIC connection ID. Pure bytes.
//
// A connection ID is one octet, of which the three high bits name one of seven configurations, then
// server ID and nonce: plain, as one AES-128 block if both are 16 bytes together, else through a
// Feistel network of four passes. Thread safety: a configuration is constant once made.
#ifndef GUIDEWAY_LIB_NET_QUIC_LB_H_
#define GUIDEWAY_LIB_NET_QUIC_LB_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "lib/net/aes128.h"

namespace guideway {

// Of a configuration: what section 5.3 of the draft allows.
inline constexpr uint8_t kMinServerIdBytes = 1;
inline constexpr uint8_t kMaxServerIdBytes = 15;
inline constexpr uint8_t kMinNonceBytes = 4;
inline constexpr uint8_t kMaxNonceBytes = 18;
inline constexpr uint8_t kMaxServerIdAndNonceBytes = 19;
constexpr bool QuicLbLengthsAreRight(uint32_t server_id_bytes, uint32_t nonce_bytes) {
  return server_id_bytes >= kMinServerIdBytes && server_id_bytes <= kMaxServerIdBytes &&
         nonce_bytes >= kMinNonceBytes && nonce_bytes <= kMaxNonceBytes &&
         server_id_bytes + nonce_bytes <= kMaxServerIdAndNonceBytes;
}

// Configuration IDs run from 0 to 6; 7 says that the connection ID names no server.
inline constexpr uint32_t kQuicLbConfigs = 7;
constexpr uint8_t QuicLbConfigId(uint8_t first_octet) {
  return static_cast<uint8_t>(first_octet >> 5);
}

struct ServerId {
  std::array<uint8_t, kMaxServerIdBytes> bytes{};  // the rest is 0
  uint8_t length_bytes = 0;

  friend bool operator==(const ServerId&, const ServerId&) = default;
};
static_assert(sizeof(ServerId) == 16);

class QuicLb {
 public:
  // Both lengths together as QuicLbLengthsAreRight() says. `key` null: plain.
  QuicLb(uint8_t server_id_bytes, uint8_t nonce_bytes, const Aes128::Block* key);

  // Shorter connection IDs are not of this configuration; longer ones may be.
  uint32_t min_cid_bytes() const { return 1u + length_bytes_; }
  // `cid` has at least min_cid_bytes(); whatever they are, some server ID comes out.
  ServerId Decode(const uint8_t* cid) const;

 private:
  enum class Form : uint8_t { kPlain, kSingleBlock, kFourPass };
  Aes128::Block DecodeFourPass(const uint8_t* ciphertext) const;
  // One round: what the half `from` encrypts to goes into the half `to`.
  void Pass(uint8_t pass, const Aes128::Block& from, const Aes128::Block& mask,
            Aes128::Block* to) const;

  Aes128 aes_;
  // What belongs to the left and right half: all of their bytes but, if server ID and nonce are odd
  // together, only half of the byte in the middle.
  Aes128::Block left_mask_{};
  Aes128::Block right_mask_{};
  // What stands behind the half in the input of passes 1 to 4: how long both are, and which pass.
  std::array<Aes128::Block, 4> tails_{};
  Form form_;
  uint8_t server_id_bytes_;
  uint8_t length_bytes_;  // of server ID and nonce
  uint8_t half_bytes_;    // rounded up
};

}  // namespace guideway

#endif  // GUIDEWAY_LIB_NET_QUIC_LB_H_
