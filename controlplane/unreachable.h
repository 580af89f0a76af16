// Which backends cannot be reached and therefore get no new flows: told to the log when it changes,
// and to whoever puts a configuration in force. What status says of them: report/verdict.h.
//
// Thread safety: loop thread only.
#ifndef GUIDEWAY_CONTROLPLANE_UNREACHABLE_H_
#define GUIDEWAY_CONTROLPLANE_UNREACHABLE_H_

#include <map>
#include <string>
#include <vector>

#include "controlplane/compiler/compiler.h"
#include "lib/config/guideway.pb.h"

namespace guideway {

class UnreachableBackends {
 public:
  // After tables were compiled, for each pool of the configuration; then EndRound() logs who is
  // unreachable now and who is no longer, the first 50 by name and how many more. A new
  // configuration begins the round anew.
  void See(const v1::Pool& pool, const Compiled& compiled);
  void EndRound();
  void BeginRound() { now_.clear(); }
  // What somebody should hear who has just replaced `before` by `config`: a line for each backend
  // of a pool that has changed. After EndRound().
  std::vector<std::string> Warnings(const v1::Config& before, const v1::Config& config) const;

 private:
  struct Backend {
    std::string pool;
    std::string name;
    std::string reason;
  };
  std::map<std::string, Backend> now_;       // of the round going on
  std::map<std::string, Backend> backends_;  // by key; disabled ones are not among them
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_UNREACHABLE_H_
