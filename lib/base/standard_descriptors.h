// Standard descriptors that a parent process has closed.
//
// Without this the next file that is opened gets such a number: a socket would be written to as if
// it were the log, and what takes over descriptor 2 would close it. First thing in main(), before
// anything is opened and before any other thread exists.
#ifndef GUIDEWAY_LIB_BASE_STANDARD_DESCRIPTORS_H_
#define GUIDEWAY_LIB_BASE_STANDARD_DESCRIPTORS_H_

#include "absl/status/status.h"

namespace guideway {

// Opens /dev/null as stdin, stdout and stderr where these are closed; others stay as they are.
absl::Status OpenStandardDescriptors();

}  // namespace guideway

#endif  // GUIDEWAY_LIB_BASE_STANDARD_DESCRIPTORS_H_
