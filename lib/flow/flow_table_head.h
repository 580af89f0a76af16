// What a flow table says of itself: what became of a flow that was entered, and which run of the
// data plane its memory is from.
//
// Thread safety: values.
#ifndef GUIDEWAY_LIB_FLOW_FLOW_TABLE_HEAD_H_
#define GUIDEWAY_LIB_FLOW_FLOW_TABLE_HEAD_H_

#include <cstdint>

#include "lib/base/hot.h"

namespace guideway {

enum class FlowInsert : uint8_t {
  kInserted,  // a new flow
  kKnown,     // the flow was live already; it has the given backend now
  kSynAgain,  // the same, and it was and is half-open, with the same backend: a SYN sent again
  kEvicted,   // a new flow in the place of a live one that may be evicted
  kFull,      // not entered
};

// Which run of the data plane a table is from. A directory may hold tables that the last run did
// not use, or that are from before the host's last boot, whose clock was another.
struct FlowTableStamp {
  uint64_t run = 0;       // counts the directory's runs; 0: none
  uint64_t boot = 0;      // of the host
  bool complete = false;  // all tables of the run have their stamp
};

// What the first bytes of a file say, which may be anybody's.
struct FlowTableHead {
  using Bytes = uint8_t[kCacheLineBytes];

  bool is_table = false;
  bool this_layout = false;
  uint32_t layout_version = 0;
  uint64_t bytes_needed = 0;
  FlowTableStamp stamp;
};

}  // namespace guideway

#endif  // GUIDEWAY_LIB_FLOW_FLOW_TABLE_HEAD_H_
