// Flags that make no sense: fatal where nothing was ever served, named and passed over beside a
// configuration that was kept. Thread safety: none; at the start.
#ifndef GUIDEWAY_CONTROLPLANE_FLAG_PROBLEMS_H_
#define GUIDEWAY_CONTROLPLANE_FLAG_PROBLEMS_H_

#include <string>
#include <vector>

namespace guideway {

// Takes out of `arguments` what gflags would end the process for - unknown flags, values that do
// not fit, files and variables of --flagfile and --fromenv that are not there - and what is no flag
// at all, and says of each what is wrong; unlike gflags also in files, where nobody would hear of
// it. What --flagfile, --fromenv and --tryfromenv name stands
// in their place then. The rest is to be given to gflags. As of main(); the first one stays.
std::vector<std::string> TakeOutBadFlags(std::vector<std::string>* arguments);

// Whether a version of the configuration is kept there: whole or not, something was served once.
bool HasKeptVersions(const std::string& state_directory);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_FLAG_PROBLEMS_H_
