// Prints docs/problems.md.
#include <iostream>

#include "controlplane/report/problem_kind.h"

int main() {
  std::cout
      << "# Problems\n\n"
         "<!-- Made from controlplane/report/problem_kinds.def; do not edit: "
         "ninja -C build update_docs. -->\n\n"
         "What `guideway status`, the status page, `/healthz`, the metric `guideway_problems` and "
         "`guideway watch` can name. Critical: clients fail or may fail now, or what was ordered "
         "is not in force. Warning: all is served, but something that the next failure needs is "
         "missing.\n\n"
         "| kind | severity | meaning | what to do |\n|---|---|---|---|\n";
  for (const guideway::ProblemKindInfo& info : guideway::AllProblemKinds()) {
    std::cout << "| `" << info.name << "` | " << guideway::SeverityName(info.severity) << " | "
              << info.meaning << " | " << info.remedy << " |\n";
  }
  return 0;
}
