// The text of a field of fixed size of the channel's messages: all of it, or up to its first NUL.
// Stateless.
#ifndef GUIDEWAY_LIB_CHANNEL_TEXT_OF_H_
#define GUIDEWAY_LIB_CHANNEL_TEXT_OF_H_

#include <cstddef>
#include <cstring>
#include <string>

namespace guideway::channel {

template <size_t kBytes>
std::string TextOf(const char (&field)[kBytes]) {
  return std::string(field, strnlen(field, kBytes));
}

}  // namespace guideway::channel

#endif  // GUIDEWAY_LIB_CHANNEL_TEXT_OF_H_
