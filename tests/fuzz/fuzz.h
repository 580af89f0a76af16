// What every fuzz target uses: an assertion that the fuzzer takes for a crash, and a reader that
// cuts an input into numbers and byte strings.
#ifndef GUIDEWAY_TESTS_FUZZ_FUZZ_H_
#define GUIDEWAY_TESTS_FUZZ_FUZZ_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

// The entry point that each target defines; returns 0.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

#define FUZZ_CHECK(condition)                                                             \
  do {                                                                                    \
    if (!(condition)) {                                                                   \
      std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                       \
    }                                                                                     \
  } while (false)

namespace guideway::fuzz {

// Reads an input from its beginning; once it is used up, everything is 0 or empty. Numbers are
// little endian.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : at_(data), left_(size) {}

  bool empty() const { return left_ == 0; }
  uint8_t U8() { return Number<uint8_t>(); }
  uint16_t U16() { return Number<uint16_t>(); }
  uint64_t U64() { return Number<uint64_t>(); }
  // At most `size` bytes, fewer at the end of the input, in an allocation of exactly their number.
  std::vector<uint8_t> Bytes(size_t size) {
    const size_t count = std::min(size, left_);
    std::vector<uint8_t> bytes(at_, at_ + count);
    Skip(count);
    return bytes;
  }
  // Overwrites the beginning of a plain object with at most `size` bytes; the rest stays.
  template <typename T>
  void Overwrite(T* object, size_t size) {
    const size_t count = std::min({size, left_, sizeof(T)});
    if (count > 0) std::memcpy(static_cast<void*>(object), at_, count);
    Skip(count);
  }

 private:
  template <typename T>
  T Number() {
    T value = 0;
    Overwrite(&value, sizeof(value));
    return value;
  }
  void Skip(size_t count) {
    at_ += count;
    left_ -= count;
  }
  const uint8_t* at_;
  size_t left_;
};

}  // namespace guideway::fuzz

#endif  // GUIDEWAY_TESTS_FUZZ_FUZZ_H_
