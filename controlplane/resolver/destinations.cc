// Replacing the resolver's destinations in turns. Between two of them each destination is in the
// old set or the new one, and next hops of those in both stay. See resolver.h.
#include <utility>

#include "controlplane/resolver/resolver.h"

namespace guideway {

void Resolver::SetDestinations(std::vector<IpAddress> destinations) {
  Replacement replacement;
  replacement.wanted.reserve(destinations.size());
  replacement.destinations = std::move(destinations);
  replacement_ = std::move(replacement);
  knowing_ = true;
  changed_ = true;
  round_.reset();
  BeginTurn();
  Work();
}

bool Resolver::ReplaceSome() {
  if (!replacement_.has_value()) return true;
  static const auto* const not_looked_up =
      new absl::Status(absl::UnavailableError("not looked up yet"));
  Replacement& replacement = *replacement_;
  while (!replacement.destinations.empty()) {
    if (TimeIsUp()) return false;
    const IpAddress destination = replacement.destinations.back();
    replacement.destinations.pop_back();
    replacement.wanted.insert(destination);
    const auto [it, is_new] = lookups_.try_emplace(destination);
    if (!is_new) continue;
    it->second.status = *not_looked_up;
    unknown_.insert(destination);
  }
  auto it =
      replacement.kept.has_value() ? lookups_.upper_bound(*replacement.kept) : lookups_.begin();
  while (it != lookups_.end()) {
    if (TimeIsUp()) return false;
    if (replacement.wanted.contains(it->first)) {
      replacement.kept = it->first;
      ++it;
      continue;
    }
    for (std::set<IpAddress>* waiting : {&unknown_, &outdated_, &due_}) waiting->erase(it->first);
    next_hops_.erase(it->first);
    it = lookups_.erase(it);
  }
  replacement_.reset();
  return true;
}

}  // namespace guideway
