// See overrides.h.
#include "controlplane/health/overrides.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace guideway {

bool HealthOverrides::Force(const Backend& backend, std::optional<bool> healthy) {
  if (!healthy.has_value()) return forced_.erase(backend) > 0;
  const auto [it, is_new] = forced_.try_emplace(backend, *healthy);
  return is_new || std::exchange(it->second, *healthy) != *healthy;
}

bool HealthOverrides::Pause(const std::string& pool, bool paused) {
  return paused ? paused_.insert(pool).second : paused_.erase(pool) > 0;
}

bool HealthOverrides::Retain(const std::set<std::string>& pools,
                             const std::set<Backend>& backends) {
  const size_t gone =
      std::erase_if(forced_, [&](const auto& item) { return !backends.contains(item.first); }) +
      std::erase_if(paused_, [&](const std::string& pool) { return !pools.contains(pool); });
  return gone > 0;
}

std::optional<bool> HealthOverrides::Forced(const Backend& backend) const {
  const auto found = forced_.find(backend);
  if (found == forced_.end()) return std::nullopt;
  return found->second;
}

std::string HealthOverrides::ToText() const {
  std::string text;
  for (const auto& [backend, healthy] : forced_) {
    absl::StrAppend(&text, "force ", backend.first, " ", backend.second, " ",
                    healthy ? "healthy" : "unhealthy", "\n");
  }
  return text;
}

absl::Status HealthOverrides::FromText(const std::string& text) {
  std::map<Backend, bool> forced;
  const std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::vector<std::string> words = absl::StrSplit(lines[i], ' ');
    if (words.size() != 4 || words[0] != "force" ||
        (words[3] != "healthy" && words[3] != "unhealthy")) {
      return absl::InvalidArgumentError(absl::StrCat("line ", i + 1, ": is not an override"));
    }
    forced[{words[1], words[2]}] = words[3] == "healthy";
  }
  forced_ = std::move(forced);
  return absl::OkStatus();
}

}  // namespace guideway
