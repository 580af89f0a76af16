// What the log says of backends that cannot be reached.
#include "controlplane/unreachable.h"

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"

namespace guideway {
namespace {

// Takes what is logged, as long as it is there.
class Lines : public google::LogSink {
 public:
  Lines() { google::AddLogSink(this); }
  ~Lines() override { google::RemoveLogSink(this); }
  void send(google::LogSeverity, const char*, const char*, int, const tm*, const char* message,
            size_t size) override {
    lines_.emplace_back(message, size);
  }
  std::vector<std::string> Take() { return std::exchange(lines_, {}); }

 private:
  std::vector<std::string> lines_;
};

TEST_CASE("each backend that cannot be reached is logged once, of thousands the first ones") {
  v1::Config config;
  v1::Pool& pool = *config.add_pools();
  pool.set_name("web");
  Compiled compiled;
  const auto add = [&](int i) {
    v1::Backend& backend = *pool.add_backends();
    backend.set_name(absl::StrCat("b", i));
    backend.set_address(absl::StrCat("10.0.", i / 250, ".", i % 250 + 1));
    auto& state = compiled.backends[BackendKey("web", backend.name(), backend.address())];
    state.unreachable = true;
    state.next_hop = "eth1 is down";
  };
  UnreachableBackends unreachable;
  Lines log;
  const auto round = [&] {
    unreachable.BeginRound();
    unreachable.See(pool, compiled);
    unreachable.EndRound();
    return log.Take();
  };
  add(0);
  CHECK(round() ==
        std::vector<std::string>{"backend web/b0/10.0.0.1 cannot be reached: eth1 is down"});
  CHECK(round().empty());
  for (int i = 1; i < 5001; ++i) add(i);
  const std::vector<std::string> lost = round();
  REQUIRE(lost.size() == 51);
  CHECK(lost.back() == "4950 more backends cannot be reached, see guideway status");
  for (auto& [key, backend] : compiled.backends) backend.unreachable = false;
  const std::vector<std::string> found = round();
  REQUIRE(found.size() == 51);
  CHECK(found.front() == "backend web/b0/10.0.0.1 can be reached again, or is gone");
  CHECK(found.back() == "4951 more backends can be reached again, or are gone");
}

}  // namespace
}  // namespace guideway
