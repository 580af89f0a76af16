// Prints docs/cli.md from the command tree.
#include <iostream>

#include "controlplane/cli/cli.h"
#include "controlplane/cli/tree.h"

int main() {
  guideway::cli::Cli cli(&std::cout, &std::cerr);
  std::cout << guideway::cli::DocsPage(cli.app());
  return 0;
}
