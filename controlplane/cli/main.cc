// guideway: the operator's command line.
#include <signal.h>

#include <iostream>

#include "controlplane/cli/cli.h"

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  guideway::cli::Cli cli(&std::cout, &std::cerr);
  return cli.Run(std::vector<std::string>(argv + 1, argv + argc));
}
