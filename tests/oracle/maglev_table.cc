// Prints a Maglev table as JSON, for the comparison with the oracle (maglev.py beside this file).
// Input: "SLOTS SEED", then one line "IDENTITY WEIGHT INDEX" a backend.
#include <iostream>
#include <string>
#include <vector>

#include "lib/hash/maglev.h"

int main() {
  uint32_t slots;
  uint64_t seed;
  if (!(std::cin >> slots >> seed)) return 2;
  std::vector<guideway::MaglevBackend> backends;
  guideway::MaglevBackend backend;
  while (std::cin >> backend.identity >> backend.weight >> backend.index) {
    backends.push_back(backend);
  }
  const auto table = guideway::BuildMaglevTable(backends, slots, seed);
  if (!table.ok()) {
    std::cerr << table.status() << "\n";
    return 1;
  }
  std::cout << "{\"digest\": \"" << guideway::MaglevDigest(*table, backends) << "\", \"table\": [";
  for (size_t i = 0; i < table->size(); ++i) std::cout << (i == 0 ? "" : ", ") << (*table)[i];
  std::cout << "]}\n";
  return 0;
}
