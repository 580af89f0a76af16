// Flags that make no sense: fatal where nothing was ever served, named and passed over beside a
// configuration that was kept. Thread safety: none; at the start.
#ifndef GUIDEWAY_CONTROLPLANE_FLAG_PROBLEMS_H_
#define GUIDEWAY_CONTROLPLANE_FLAG_PROBLEMS_H_

#include <string>
#include <vector>

namespace guideway {

// Takes out of `argv` what gflags would end the process for - unknown flags, values that do not
// fit - and what is no flag at all, and says of each what is wrong. The rest is to be given to
// gflags. `argc` and `argv` as in main(); argv[0] stays.
std::vector<std::string> TakeOutBadFlags(int* argc, char** argv);

// Whether a version of the configuration is kept there: whole or not, something was served once.
bool HasKeptVersions(const std::string& state_directory);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_FLAG_PROBLEMS_H_
