// See table_keeper.h.
#include "controlplane/table_keeper.h"

#include <algorithm>
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

constexpr size_t kRecordsOfPart = 500;

uint16_t RandomIncarnation() {
  std::random_device random;
  return static_cast<uint16_t>(random() % 0xffff + 1);
}

// What came of a KeptState on the background thread.
struct Written {
  absl::Status status;
  std::string problem;

  void Write(KeptState* state, const std::string& text, const char* what) {
    if (text.empty()) return;  // nothing has changed
    status = Annotate(state->Write(text), what);
    problem = state->problem();
  }
};

}  // namespace

TableKeeper::TableKeeper(const std::string& directory, BackgroundThread* background,
                         std::function<void()> on_progress)
    : background_(background),
      on_progress_(std::move(on_progress)),
      state_(std::make_shared<KeptState>(BackendRegistry::StateIn(directory))),
      vip_state_(std::make_shared<KeptState>(VipRegistry::StateIn(directory))),
      registry_(RandomIncarnation()),
      compiler_(
          &registry_,
          [this](const PoolSlotsBuilder::Build& build, Compiler::BuildDone done) {
            auto built = std::make_shared<absl::StatusOr<PoolSlotsBuilder::Built>>(
                absl::UnknownError("not built"));
            background_->Run(
                [build, built] {
                  *built = PoolSlotsBuilder::Run(build);
                  if (built->ok()) PoolSlotsBuilder::AddDigest(build, &**built);
                },
                [built, done = std::move(done)] { done(std::move(*built)); }, "take_table");
          },
          [this] {
            built_ = true;
            on_progress_();
          }) {}

void TableKeeper::Load(absl::Duration now, bool were_kept) {
  const std::string boot = BootId();  // whose clock is the one that EventLoop::Now() reads
  absl::Status loaded = registry_.Load(state_.get(), now, boot.empty() ? "unknown" : boot);
  if (loaded.ok() && were_kept && !registry_.was_kept()) {
    loaded = absl::DataLossError("backend-indices and its copy are gone");
  }
  damage_ = loaded.ok() ? state_->problem()
                        : absl::StrCat(loaded.message(),
                                       "; backends get new indices, known flows are selected anew");
  const absl::Status vips = compiler_.vips()->Load(vip_state_.get());
  vip_damage_ = vips.ok() ? vip_state_->problem()
                          : absl::StrCat(vips.message(), "; the counters of VIPs begin anew");
  lost_ = !loaded.ok();
  vips_lost_ = !vips.ok();
  if (!damage().empty()) LOG(ERROR) << "indices: " << damage();
}

std::string TableKeeper::damage() const {
  std::vector<std::string> all;
  for (const std::string& damage : {damage_, vip_damage_}) {
    if (!damage.empty()) all.push_back(damage);
  }
  return absl::StrJoin(all, "; ");
}

void TableKeeper::ConfigChanged(std::shared_ptr<const v1::Config> config) {
  background_->Dispose(compiler_.Abandon());
  stage_ = Stage::kIdle;
  ++round_;
  all_changed_ = true;
  pool_positions_.clear();
  for (int i = 0; i < config->pools_size(); ++i) pool_positions_[config->pools(i).name()] = i;
  config_ = std::move(config);
}

void TableKeeper::HealthChanged(const std::string& pool, absl::Duration now) {
  health_changed_.Add(pool);
  latency_.Changed(pool, now);
  // Whether known flows without a way are given up depends on who could take them.
  if (HasUnreachable(pool)) all_changed_ = true;
}

bool TableKeeper::HasUnreachable(const std::string& pool_name) const {
  const auto position = pool_positions_.find(pool_name);
  if (position == pool_positions_.end()) return false;
  const v1::Pool& pool = config_->pools(position->second);
  return std::any_of(pool.backends().begin(), pool.backends().end(), [&](const auto& backend) {
    const auto found =
        compiled_.backends.find(BackendKey(pool.name(), backend.name(), backend.address()));
    return found != compiled_.backends.end() && found->second.unreachable;
  });
}

bool TableKeeper::changed() const {
  switch (stage_) {
    case Stage::kIdle:
      return all_changed_ || built_ || !health_changed_.empty();
    case Stage::kCompiling:
      return compiler_.CanContinue();
    case Stage::kWriting:
      return false;
    default:
      return true;
  }
}

absl::StatusOr<bool> TableKeeper::Update(const CompilerInput& input, const OnCompiled& on_compiled,
                                         const TimeIsUp& time_is_up) {
  auto updated = compiling_all() ? UpdateAll(input, on_compiled, time_is_up)
                                 : UpdatePools(input, on_compiled, time_is_up);
  if (!updated.ok()) {
    all_changed_ = true;
    stage_ = Stage::kIdle;
  }
  return updated;
}

absl::StatusOr<bool> TableKeeper::UpdatePools(const CompilerInput& input,
                                              const OnCompiled& on_compiled,
                                              const TimeIsUp& time_is_up) {
  built_ = false;
  GW_ASSIGN_OR_RETURN(const std::vector<std::string> built, compiler_.TakeBuilt(&compiled_));
  bool any = !built.empty();
  const auto finish = [&](const std::string& name) {
    latency_.Compiled(name);
    on_compiled(config_->pools(pool_positions_.at(name)));
  };
  for (const std::string& name : built) {
    finish(name);
    if (built_late_.erase(name) != 0) health_changed_.Add(name);
  }
  while (!health_changed_.empty()) {
    const std::string name = health_changed_.Take();
    if (compiler_.IsBuilding(name)) {
      built_late_.insert(name);
      continue;
    }
    const auto position = pool_positions_.find(name);
    if (position == pool_positions_.end()) {
      latency_.Compiled(name);
      continue;
    }
    const v1::Pool& pool = config_->pools(position->second);
    GW_ASSIGN_OR_RETURN(const bool done, compiler_.UpdateHealth(input, pool, &compiled_));
    if (done) finish(name);
    any = any || done;
    if (time_is_up()) break;
  }
  return any;
}

void TableKeeper::BeginAll() {
  compiler_.Begin(config_);
  stage_ = Stage::kCompiling;
  ++round_;
  all_changed_ = false;
  built_ = false;
  for (const std::string& name : std::exchange(built_late_, {})) health_changed_.Add(name);
}

absl::StatusOr<bool> TableKeeper::UpdateAll(const CompilerInput& input,
                                            const OnCompiled& on_compiled,
                                            const TimeIsUp& time_is_up) {
  if (stage_ == Stage::kIdle) BeginAll();
  if (stage_ == Stage::kCompiling) {
    GW_ASSIGN_OR_RETURN(const bool done,
                        compiler_.Continue(input, time_is_up, [this](const v1::Pool& pool) {
                          health_changed_.Remove(pool.name());
                          latency_.Compiled(pool.name());
                        }));
    if (!done) return false;
    printed_.clear();
    printed_up_to_.clear();
    stage_ = Stage::kPrinting;
  }
  while (stage_ == Stage::kPrinting && !time_is_up()) PrintSome();
  while (stage_ == Stage::kFollowing) {
    if (followed_ == config_->pools_size()) {
      stage_ = Stage::kIdle;
      return true;
    }
    on_compiled(config_->pools(followed_++));
    if (time_is_up()) break;
  }
  return false;
}

// Before the tables go out: an index in use must never be forgotten.
void TableKeeper::PrintSome() {
  if (registry_.dirty()) {
    const auto more = registry_.PrintPart(printed_up_to_, kRecordsOfPart, &printed_);
    if (more.has_value()) {
      printed_up_to_ = *more;
      return;
    }
  }
  std::string vips = compiler_.vips()->dirty() ? compiler_.vips()->Print() : "";
  if (printed_.empty() && vips.empty()) {
    TakeCompiled();
    return;
  }
  stage_ = Stage::kWriting;
  WriteFiles(std::exchange(printed_, {}), std::move(vips));
}

void TableKeeper::WatchFiles() {
  if (!files_written_ || looking_ || stage_ != Stage::kIdle || !problem_.empty()) return;
  looking_ = true;
  const auto there = std::make_shared<std::pair<bool, bool>>();
  background_->Run(
      [there, state = state_, vip_state = vip_state_] {
        *there = {state->IsThere(), vip_state->IsThere()};
      },
      [this, there] {
        looking_ = false;
        if ((there->first && there->second) || stage_ != Stage::kIdle) return;
        LOG(WARNING) << "the files of indices were removed while they are in use; written again";
        if (!there->first) registry_.SetLost();
        if (!there->second) compiler_.vips()->SetLost();
        AllChanged();
        on_progress_();
      },
      "watch_index_files");
}

void TableKeeper::WriteFiles(std::string backends, std::string vips) {
  struct Both {
    Written backends, vips;
  };
  const auto written = std::make_shared<Both>();
  const bool has_backends = !backends.empty(), has_vips = !vips.empty();
  background_->Run(
      [written, state = state_, vip_state = vip_state_, backends = std::move(backends),
       vips = std::move(vips)] {
        written->backends.Write(state.get(), backends, "backend indices not kept");
        written->vips.Write(vip_state.get(), vips, "indices of VIPs not kept");
      },
      [this, written, has_backends, has_vips, round = round_] {
        if (round != round_) return;  // what it was for has been given up
        const absl::Status& status =
            written->backends.status.ok() ? written->vips.status : written->backends.status;
        if (has_backends && written->backends.status.ok()) registry_.SetSaved();
        if (has_vips && written->vips.status.ok()) compiler_.vips()->SetSaved();
        if (has_backends && !lost_) damage_ = written->backends.problem;
        if (has_vips && !vips_lost_) vip_damage_ = written->vips.problem;
        problem_ = std::string(status.message());
        files_written_ = true;
        if (!status.ok()) LOG(ERROR) << problem_;
        TakeCompiled();
        on_progress_();
      },
      "indices_saved");
}

void TableKeeper::TakeCompiled() {
  // Thousands of small pieces, and some large ones.
  std::shared_ptr<void> rest;
  background_->Dispose(std::exchange(compiled_, compiler_.Take(&rest)));
  background_->Dispose(std::move(rest));
  followed_ = 0;
  stage_ = Stage::kFollowing;
}

}  // namespace guideway
