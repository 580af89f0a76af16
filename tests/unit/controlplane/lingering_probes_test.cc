// How backends that have left their pool go on being probed: as it was when each of them left.
#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controlplane/lingering.h"

namespace guideway {
namespace {

// A pool "web" with these backends, probed at this path.
v1::Config Config(const std::string& path, const std::vector<std::string>& backends) {
  v1::Config config;
  v1::Pool* pool = config.add_pools();
  pool->set_name("web");
  pool->mutable_probe()->set_type(v1::HTTP_GET);
  pool->mutable_probe()->set_path(path);
  for (const std::string& name : backends) {
    v1::Backend* backend = pool->add_backends();
    backend->set_name(name);
    backend->set_address(absl::StrCat("10.0.0.", name));
  }
  return config;
}

class Probes {
 public:
  explicit Probes(v1::Config config) : config_(std::move(config)) {}

  void Change(v1::Config after) {
    lingering.BeginChange(&config_, &after);
    while (lingering.StepChange()) {
    }
    config_ = std::move(after);
  }
  // Path by the backends' names, of those that linger.
  std::map<std::string, std::string> Paths() const {
    LingeringProbes::ProbedConfig made(&lingering, &config_);
    while (made.Step()) {
    }
    const v1::Config taken = made.Take();
    std::map<std::string, std::string> paths;
    for (const v1::Pool& pool : taken.pools()) {
      CHECK(pool.name() == "web");
      for (const v1::Backend& backend : pool.backends()) {
        CHECK(paths.emplace(backend.name(), pool.probe().path()).second);
      }
    }
    return paths;
  }

  LingeringProbes lingering;

 private:
  v1::Config config_;
};

TEST_CASE("lingering: who left first is probed as before, whoever leaves the pool later") {
  using Paths = std::map<std::string, std::string>;
  Probes probes(Config("/old", {"1", "2", "3"}));
  v1::Config next = Config("/new", {"3", "4", "5"});
  next.mutable_pools(0)->set_unhealthy_keeps_flows(true);
  probes.Change(next);
  CHECK(probes.Paths() == Paths{{"1", "/old"}, {"2", "/old"}});
  next.mutable_pools(0)->mutable_backends()->RemoveLast();
  probes.Change(next);
  CHECK(probes.Paths() == Paths{{"1", "/old"}, {"2", "/old"}, {"5", "/new"}});
  CHECK(probes.lingering.HasPool("web"));
  CHECK_FALSE(probes.lingering.UnhealthyKeepsFlows("web/1/10.0.0.1"));
  CHECK(probes.lingering.UnhealthyKeepsFlows("web/5/10.0.0.5"));
  // One that comes back and leaves again left as the pool is now.
  v1::Config back = Config("/new", {"1", "3", "4"});
  probes.Change(back);
  CHECK(probes.Paths() == Paths{{"2", "/old"}, {"5", "/new"}});
  probes.Change(Config("/new", {"3", "4"}));
  CHECK(probes.Paths() == Paths{{"1", "/new"}, {"2", "/old"}, {"5", "/new"}});
}

}  // namespace
}  // namespace guideway
