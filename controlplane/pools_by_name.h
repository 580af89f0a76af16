// The pools of a configuration by name, for whoever looks for thousands.
//
// The configuration must stay as it is. Thread safety: values.
#ifndef GUIDEWAY_CONTROLPLANE_POOLS_BY_NAME_H_
#define GUIDEWAY_CONTROLPLANE_POOLS_BY_NAME_H_

#include <algorithm>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "controlplane/compiler/backend_registry.h"
#include "lib/config/guideway.pb.h"

namespace guideway {

class PoolsByName {
 public:
  PoolsByName() = default;
  explicit PoolsByName(const v1::Config& config) {
    pools_.reserve(static_cast<size_t>(config.pools_size()));
    for (const v1::Pool& pool : config.pools()) pools_.emplace(pool.name(), &pool);
  }

  // Null: there is none.
  const v1::Pool* Find(absl::string_view name) const {
    const auto found = pools_.find(name);
    return found == pools_.end() ? nullptr : found->second;
  }
  const v1::Backend* Find(absl::string_view pool_name, const std::string& backend_name) const {
    const v1::Pool* pool = Find(pool_name);
    if (pool == nullptr) return nullptr;
    const auto found =
        std::find_if(pool->backends().begin(), pool->backends().end(),
                     [&](const v1::Backend& backend) { return backend.name() == backend_name; });
    return found == pool->backends().end() ? nullptr : &*found;
  }
  // `key` is a BackendKey().
  bool HasBackend(absl::string_view key) const {
    const v1::Pool* pool = Find(key.substr(0, key.find('/')));
    if (pool == nullptr) return false;
    const absl::string_view rest = key.substr(pool->name().size() + 1);
    return std::any_of(pool->backends().begin(), pool->backends().end(),
                       [&](const v1::Backend& backend) {
                         const std::string& name = backend.name();
                         return rest.size() == name.size() + 1 + backend.address().size() &&
                                rest.substr(0, name.size()) == name && rest[name.size()] == '/' &&
                                rest.substr(name.size() + 1) == backend.address();
                       });
  }

 private:
  absl::flat_hash_map<absl::string_view, const v1::Pool*> pools_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_POOLS_BY_NAME_H_
