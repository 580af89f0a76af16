// A control plane without controller: the real store and server on a real socket in a directory of
// its own, with made-up health and counters.
#ifndef GUIDEWAY_TESTS_UNIT_CONTROLPLANE_TEST_API_H_
#define GUIDEWAY_TESTS_UNIT_CONTROLPLANE_TEST_API_H_

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "controlplane/config_store.h"
#include "controlplane/server/server.h"
#include "controlplane/store_view.h"
#include "tests/unit/controlplane/test_directory.h"

namespace guideway {

class TestApi {
 public:
  explicit TestApi(const std::string& yaml = TestYaml(), ApiOptions options = {});

  // What the controller would say; change before the call.
  CommitOutcome commit_outcome;  // of the next configuration; those after it are in force
  bool connected = true;
  std::vector<std::string> beyond_capacity;  // of every configuration
  bool stats_fail = false;
  bool loop_runs = true;
  bool web_1_unhealthy = false;
  bool all_unhealthy = false;
  bool failed_open = false;
  bool settling = false;
  std::function<void()> in_status;  // called while a status is taken, the loop's lock held
  double share = 0.25;              // of each backend
  bool web_1_unreachable = false;
  uint64_t packets_a_reading = 0;  // by how much the counters grow; backend N's N times as much
  std::vector<uint64_t> web_1_flows = {
      5};  // one after the other, the last one stays; empty: no count
  bool web_1_deadline_passed = false;

  const std::string& socket() const { return socket_; }
  const TestDirectory& directory() const { return directory_; }
  ConfigStore& store() { return *store_; }
  ApiServer& server() { return *server_; }
  ConfigChanger& changer() { return *changer_; }
  std::vector<std::string> orders;  // on_order: who, action, change, status
  std::string AuditFile() const { return directory_.File("audit.log"); }
  int configs_set() const { return configs_set_; }
  // As after a crash of the process: server and store are gone, then started again.
  void Restart();
  void Stop();

  struct Result {
    int exit_code;
    std::string out;
    std::string err;
  };
  // `guideway ARGUMENTS...` with this daemon's socket.
  Result Run(std::vector<std::string> arguments);

 private:
  void Start();
  ServiceHooks Hooks();
  void FillState(v1::GetStateResponse* state);
  v1::ExplainFlowResponse Explain(const v1::ExplainFlowRequest& request);

  const ApiOptions options_;
  TestDirectory directory_;
  std::string socket_;
  uint64_t readings_ = 0;
  AuditLog audit_{AuditFile()};
  std::mutex loop_;  // stands for both loops' threads: one closure at a time
  StoreView view_;
  int configs_set_ = 0;
  std::unique_ptr<ConfigChanger> changer_;
  std::unique_ptr<ConfigStore> store_;
  std::unique_ptr<ApiServer> server_;
};

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_CONTROLPLANE_TEST_API_H_
