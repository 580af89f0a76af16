// See table_keeper.h.
#include "controlplane/table_keeper.h"

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "glog/logging.h"
#include "lib/base/clock.h"
#include "lib/base/status.h"

namespace guideway {
namespace {

uint16_t RandomIncarnation() {
  std::random_device random;
  return static_cast<uint16_t>(random() % 0xffff + 1);
}

}  // namespace

TableKeeper::TableKeeper(const std::string& directory)
    : state_(BackendRegistry::StateIn(directory)),
      vip_state_(VipRegistry::StateIn(directory)),
      registry_(RandomIncarnation()),
      compiler_(&registry_) {}

void TableKeeper::Load(absl::Duration now) {
  const std::string boot = BootId();  // whose clock is the one that EventLoop::Now() reads
  const absl::Status loaded = registry_.Load(&state_, now, boot.empty() ? "unknown" : boot);
  if (!loaded.ok()) {
    damage_ =
        absl::StrCat(loaded.message(), "; backends get new indices, known flows are selected anew");
  }
  const absl::Status vips = compiler_.vips()->Load(&vip_state_);
  if (!vips.ok()) vip_damage_ = absl::StrCat(vips.message(), "; the counters of VIPs begin anew");
  if (!damage().empty()) LOG(ERROR) << "indices: " << damage();
}

std::string TableKeeper::damage() const {
  std::vector<std::string> all;
  for (const std::string& damage : {damage_.empty() ? state_.problem() : damage_,
                                    vip_damage_.empty() ? vip_state_.problem() : vip_damage_}) {
    if (!damage.empty()) all.push_back(damage);
  }
  return absl::StrJoin(all, "; ");
}

void TableKeeper::ConfigChanged(const v1::Config& config) {
  all_changed_ = true;
  pool_positions_.clear();
  for (int i = 0; i < config.pools_size(); ++i) pool_positions_[config.pools(i).name()] = i;
}

void TableKeeper::HealthChanged(const std::string& pool, absl::Duration now) {
  health_changed_.Add(pool);
  latency_.Changed(pool, now);
}

absl::Status TableKeeper::Update(const CompilerInput& input,
                                 const std::function<void(const v1::Pool&)>& on_compiled,
                                 const std::function<bool()>& time_is_up) {
  if (all_changed_) {
    GW_RETURN_IF_ERROR(CompileAll(input));
    for (const v1::Pool& pool : input.config->pools()) on_compiled(pool);
    return absl::OkStatus();
  }
  while (!health_changed_.empty()) {
    const v1::Pool& pool = input.config->pools(pool_positions_.at(health_changed_.Take()));
    const absl::Status updated = compiler_.UpdateHealth(input, pool, &compiled_);
    all_changed_ = !updated.ok();
    GW_RETURN_IF_ERROR(updated);
    on_compiled(pool);
    latency_.Compiled(pool.name());
    if (time_is_up()) break;
  }
  return absl::OkStatus();
}

absl::Status TableKeeper::CompileAll(const CompilerInput& input) {
  GW_ASSIGN_OR_RETURN(compiled_, compiler_.Compile(input));
  // Before the tables go out: an index in use must never be forgotten.
  absl::Status saved = Annotate(registry_.Save(&state_), "backend indices not kept");
  const absl::Status vips = compiler_.vips()->Save(&vip_state_);
  if (saved.ok()) saved = Annotate(vips, "indices of VIPs not kept");
  problem_ = std::string(saved.message());
  if (!saved.ok()) LOG(ERROR) << problem_;
  health_changed_.Clear();
  latency_.CompiledAll();
  all_changed_ = false;
  return absl::OkStatus();
}

}  // namespace guideway
