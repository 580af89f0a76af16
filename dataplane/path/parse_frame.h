// ParseHeaders for frames that are not as nearly all are.
//
// HOT PATH: no allocation, lock, log, system call or exception. Pure: reads the frame, nothing
// beyond it, whatever lengths it claims, and sets what packet.h says ParseHeaders sets.
#ifndef GUIDEWAY_DATAPLANE_PATH_PARSE_FRAME_H_
#define GUIDEWAY_DATAPLANE_PATH_PARSE_FRAME_H_

#include "dataplane/path/packet.h"

namespace guideway {

void ParseFrame(Packet& packet);

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_PATH_PARSE_FRAME_H_
