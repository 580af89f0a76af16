// HOT PATH (Decode): no allocation, lock, log, system call or exception.
#include "lib/net/quic_lb.h"

#include <algorithm>
#include <cstring>

namespace guideway {

using Block = Aes128::Block;

QuicLb::QuicLb(uint8_t server_id_bytes, uint8_t nonce_bytes, const Block* key)
    : aes_(key != nullptr ? *key : Block{}),
      server_id_bytes_(server_id_bytes),
      length_bytes_(static_cast<uint8_t>(server_id_bytes + nonce_bytes)),
      half_bytes_(static_cast<uint8_t>((length_bytes_ + 1) / 2)) {
  form_ = key == nullptr                         ? Form::kPlain
          : length_bytes_ == Aes128::kBlockBytes ? Form::kSingleBlock
                                                 : Form::kFourPass;
  std::fill_n(left_mask_.begin(), half_bytes_, uint8_t{0xff});
  right_mask_ = left_mask_;
  for (size_t pass = 0; pass < tails_.size(); ++pass) {
    tails_[pass][14] = length_bytes_;
    tails_[pass][15] = static_cast<uint8_t>(pass + 1);
  }
  if (length_bytes_ % 2 == 0) return;
  left_mask_[half_bytes_ - 1] = 0xf0;
  right_mask_[0] = 0x0f;
}

ServerId QuicLb::Decode(const uint8_t* cid) const {
  const uint8_t* from = cid + 1;
  Block block;
  if (form_ == Form::kSingleBlock) {
    std::memcpy(block.data(), from, block.size());
    aes_.Decrypt(block, &block);
    from = block.data();
  } else if (form_ == Form::kFourPass) {
    block = DecodeFourPass(from);
    from = block.data();
  }
  ServerId id;
  id.length_bytes = server_id_bytes_;
  std::memcpy(id.bytes.data(), from, server_id_bytes_);
  return id;
}

void QuicLb::Pass(uint8_t pass, const Block& from, const Block& mask, Block* to) const {
  Block expanded;
  const Block& tail = tails_[pass - size_t{1}];
  for (size_t i = 0; i < expanded.size(); ++i) expanded[i] = from[i] | tail[i];
  Block encrypted;
  aes_.Encrypt(expanded, &encrypted);
  for (size_t i = 0; i < to->size(); ++i) {
    (*to)[i] = static_cast<uint8_t>(((*to)[i] ^ encrypted[i]) & mask[i]);
  }
}

// Returns at least the server ID.
Block QuicLb::DecodeFourPass(const uint8_t* ciphertext) const {
  const size_t right_at = length_bytes_ - size_t{half_bytes_};
  Block left{}, right{};
  std::memcpy(left.data(), ciphertext, half_bytes_);
  std::memcpy(right.data(), ciphertext + right_at, half_bytes_);
  // If they share a byte, each has only its half of it.
  left[half_bytes_ - size_t{1}] &= left_mask_[half_bytes_ - size_t{1}];
  right[0] &= right_mask_[0];
  Pass(4, right, left_mask_, &left);
  Pass(3, left, right_mask_, &right);
  Pass(2, right, left_mask_, &left);
  if (2 * server_id_bytes_ <= length_bytes_) return left;
  Pass(1, left, right_mask_, &right);
  // A server ID of at most 15 bytes ends before the block does; the nonce may not.
  for (size_t i = 0; i < half_bytes_ && right_at + i < left.size(); ++i) {
    left[right_at + i] |= right[i];
  }
  return left;
}

}  // namespace guideway
