// guideway(1), made from the command tree.
#ifndef GUIDEWAY_CONTROLPLANE_CLI_MAN_H_
#define GUIDEWAY_CONTROLPLANE_CLI_MAN_H_

#include <CLI/CLI.hpp>
#include <string>

namespace guideway::cli {

// In the macros of man(7).
std::string ManPage(const CLI::App& app);

}  // namespace guideway::cli

#endif  // GUIDEWAY_CONTROLPLANE_CLI_MAN_H_
