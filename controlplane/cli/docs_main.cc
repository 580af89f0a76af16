// Prints what is made from the command tree: docs/cli.md, or with the argument "man" guideway(1).
#include <cstring>
#include <iostream>

#include "controlplane/cli/cli.h"
#include "controlplane/cli/man.h"
#include "controlplane/cli/tree.h"

int main(int argc, char** argv) {
  guideway::cli::Cli cli(&std::cout, &std::cerr);
  const bool man = argc > 1 && strcmp(argv[1], "man") == 0;
  std::cout << (man ? guideway::cli::ManPage(cli.app()) : guideway::cli::DocsPage(cli.app()));
  return 0;
}
