// Prints docs/metrics.md.
#include <iostream>

#include "controlplane/metrics/families.h"

int main() {
  std::cout << guideway::MetricsPage();
  return 0;
}
