// Server IDs and keys of QUIC-LB as operators write them: hexadecimal, two digits a byte, in upper
// or lower case. Pure functions; any thread.
#ifndef GUIDEWAY_LIB_NET_QUIC_LB_TEXT_H_
#define GUIDEWAY_LIB_NET_QUIC_LB_TEXT_H_

#include <string>

#include "absl/status/statusor.h"
#include "lib/net/quic_lb.h"

namespace guideway {

// InvalidArgument unless there are 1 to 15 bytes.
absl::StatusOr<ServerId> ParseServerId(const std::string& text);
// InvalidArgument unless there are 16 bytes; the error does not show the text.
absl::StatusOr<Aes128::Block> ParseAes128Key(const std::string& text);
// In lower case.
std::string ToString(const ServerId& id);

}  // namespace guideway

#endif  // GUIDEWAY_LIB_NET_QUIC_LB_TEXT_H_
