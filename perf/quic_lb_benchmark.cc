// Nanoseconds to decode one connection ID, and to encrypt one AES-128 block in three ways.
//
// "Decode": lengths of server ID and nonce; 8 + 8 is a single block, 3 + 4 takes three passes of
// the Feistel network, 10 + 5 takes four. Each result goes into the next input, so that what is
// measured is the time until the server ID is there, not how many can be under way at once.
#include <benchmark/benchmark.h>
#include <openssl/evp.h>

#include <cstring>

#include "lib/net/quic_lb.h"

namespace guideway {
namespace {

const Aes128::Block kKey = {0x8f, 0x95, 0xf0, 0x92, 0x45, 0x76, 0x5f, 0x80,
                            0x25, 0x69, 0x34, 0xe5, 0x0c, 0x66, 0x20, 0x7f};

void Decode(benchmark::State& state, bool encrypted) {
  const QuicLb config(static_cast<uint8_t>(state.range(0)), static_cast<uint8_t>(state.range(1)),
                      encrypted ? &kKey : nullptr);
  uint8_t cid[20] = {};
  for (auto _ : state) {
    const ServerId id = config.Decode(cid);
    std::memcpy(cid + 1, id.bytes.data(), id.bytes.size());
    benchmark::DoNotOptimize(cid);
  }
}
BENCHMARK_CAPTURE(Decode, plain, false)->Args({8, 8});
BENCHMARK_CAPTURE(Decode, encrypted, true)->Args({8, 8})->Args({3, 4})->Args({10, 5});

void Encrypt(benchmark::State& state, bool use_instructions) {
  const Aes128 aes(kKey, use_instructions);
  Aes128::Block block{};
  for (auto _ : state) {
    aes.Encrypt(block, &block);
    benchmark::DoNotOptimize(block);
  }
}
BENCHMARK_CAPTURE(Encrypt, instructions, true);
BENCHMARK_CAPTURE(Encrypt, plain, false);

// With a context prepared beforehand, as a worker would have to have one of its own.
void EncryptByOpenssl(benchmark::State& state) {
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  EVP_EncryptInit_ex(context, EVP_aes_128_ecb(), nullptr, kKey.data(), nullptr);
  EVP_CIPHER_CTX_set_padding(context, 0);
  Aes128::Block block{};
  for (auto _ : state) {
    int length = 0;
    EVP_EncryptUpdate(context, block.data(), &length, block.data(), 16);
    benchmark::DoNotOptimize(block);
  }
  EVP_CIPHER_CTX_free(context);
}
BENCHMARK(EncryptByOpenssl);

}  // namespace
}  // namespace guideway

BENCHMARK_MAIN();
