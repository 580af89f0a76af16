// What the packet path needs from the machine: cache line, prefetch, choices without branches.
#ifndef GUIDEWAY_LIB_BASE_HOT_H_
#define GUIDEWAY_LIB_BASE_HOT_H_

#include <cstddef>

namespace guideway {

inline constexpr size_t kCacheLineBytes = 64;

inline void PrefetchRead(const void* address) { __builtin_prefetch(address, 0, 3); }
inline void PrefetchWrite(const void* address) { __builtin_prefetch(address, 1, 3); }

// The same value, about which the compiler assumes nothing: what is computed from it stays
// arithmetic instead of becoming a branch that nobody can predict.
template <typename Integer>
inline Integer Opaque(Integer value) {
  asm("" : "+r"(value));
  return value;
}

}  // namespace guideway

#endif  // GUIDEWAY_LIB_BASE_HOT_H_
