// The rules of ejecting.
#include "controlplane/health/outlier.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

namespace guideway {
namespace {

// One of the three things that are compared.
struct Sign {
  uint64_t FlowSigns::*count;
  uint32_t OutlierSettings::*max_percent;
  const char* words;  // behind a number
};
constexpr Sign kSigns[] = {
    {&FlowSigns::syn_retransmissions, &OutlierSettings::max_syn_retransmissions_percent,
     "SYNs sent again"},
    {&FlowSigns::unanswered_flows, &OutlierSettings::max_unanswered_percent,
     "flows without a second packet"},
    {&FlowSigns::client_resets, &OutlierSettings::max_client_resets_percent, "resets by clients"},
};
constexpr uint64_t FlowSigns::*kFields[] = {&FlowSigns::new_flows, &FlowSigns::syn_retransmissions,
                                            &FlowSigns::unanswered_flows,
                                            &FlowSigns::client_resets};

// False if it is not a later count of the same.
bool Subtract(const FlowSigns& now, const FlowSigns& before, FlowSigns* difference) {
  for (const auto field : kFields) {
    if (now.*field < before.*field) return false;
    difference->*field = now.*field - before.*field;
  }
  return true;
}

double PercentOf(const FlowSigns& signs, const Sign& sign) {
  return signs.new_flows == 0 ? 0
                              : 100.0 * static_cast<double>(signs.*sign.count) /
                                    static_cast<double>(signs.new_flows);
}

// How much worse than the others, in points of a percentage.
struct Excess {
  double points = 0;
  std::string reason;  // empty: within the limits
};

Excess ExcessOf(const OutlierSettings& settings, const FlowSigns& own, const FlowSigns& others,
                bool look_at_unanswered) {
  Excess worst;
  for (const Sign& sign : kSigns) {
    const uint32_t limit = settings.*sign.max_percent;
    if (limit == 0) continue;
    if (sign.count == &FlowSigns::unanswered_flows && !look_at_unanswered) continue;
    const double percent = PercentOf(own, sign), of_others = PercentOf(others, sign);
    if (percent - of_others <= limit || percent - of_others <= worst.points) continue;
    worst.points = percent - of_others;
    worst.reason = absl::StrCat(std::lround(percent), " ", sign.words,
                                " per 100 new flows, the others have ", std::lround(of_others));
  }
  return worst;
}

}  // namespace

std::vector<OutlierDetector::Change> OutlierDetector::Observe(const OutlierSettings& settings,
                                                              const std::vector<Member>& members,
                                                              absl::Duration now) {
  std::set<std::string> keys;
  for (const Member& member : members) keys.insert(member.key);
  std::erase_if(records_, [&](const auto& entry) { return !keys.contains(entry.first); });
  std::vector<Change> changes = Return(now);
  const bool over = window_began_.has_value() && now - *window_began_ >= settings.window;
  if (over) {
    CloseWindow(members);
    Judge(settings, members, now, &changes);
  }
  if (over || !window_began_.has_value()) {
    window_began_ = now;
    for (const Member& member : members) {
      Record& record = records_[member.key];
      record.at_begin = member.total;
      record.began = true;
    }
  }
  return changes;
}

void OutlierDetector::CloseWindow(const std::vector<Member>& members) {
  for (const Member& member : members) {
    Record& record = records_[member.key];
    record.in_window = {};
    if (!record.began || !Subtract(member.total, record.at_begin, &record.in_window)) {
      record.in_window = {};
    }
  }
}

bool OutlierDetector::WasOut(const Record& record) const {
  return record.ejection.has_value() || (record.times > 0 && *window_began_ < record.last_returned);
}

void OutlierDetector::Judge(const OutlierSettings& settings, const std::vector<Member>& members,
                            absl::Duration now, std::vector<Change>* changes) {
  struct Suspect {
    std::string key;
    Excess excess;
  };
  FlowSigns all;
  size_t out = 0;
  for (const Member& member : members) {
    const Record& record = records_[member.key];
    out += member.unhealthy || record.ejection.has_value();
    if (member.unhealthy || WasOut(record)) continue;
    for (const auto field : kFields) all.*field += record.in_window.*field;
  }
  std::vector<Suspect> suspects;
  for (const Member& member : members) {
    const Record& record = records_[member.key];
    FlowSigns others;
    if (member.unhealthy || WasOut(record) || !Subtract(all, record.in_window, &others) ||
        std::min(record.in_window.new_flows, others.new_flows) < settings.min_new_flows) {
      continue;
    }
    const bool settled =
        record.times == 0 || *window_began_ >= record.last_ejected + settings.unanswered_after;
    Excess excess = ExcessOf(settings, record.in_window, others, settled);
    if (!excess.reason.empty()) suspects.push_back({member.key, std::move(excess)});
  }
  // The worst first, as there may be room for some only.
  std::sort(suspects.begin(), suspects.end(), [](const Suspect& a, const Suspect& b) {
    return a.excess.points != b.excess.points ? a.excess.points > b.excess.points : a.key < b.key;
  });
  const size_t most = std::max<size_t>(1, members.size() * settings.max_ejected_percent / 100);
  for (const Suspect& suspect : suspects) {
    if (out >= most || out + 1 >= members.size()) return;
    ++out;
    Record& record = records_[suspect.key];
    Eject(settings, suspect.excess.reason, now, &record);
    changes->push_back(
        {suspect.key, true,
         absl::StrCat("ejected for ", absl::FormatDuration(record.ejection->until - now), ": ",
                      suspect.excess.reason)});
  }
}

void OutlierDetector::Eject(const OutlierSettings& settings, const std::string& reason,
                            absl::Duration now, Record* record) {
  if (record->times > 0 && now - record->last_returned >= settings.max_ejection_time) {
    record->times = 0;
  }
  absl::Duration time = settings.base_ejection_time;
  for (uint32_t i = 0; i < record->times && time < settings.max_ejection_time; ++i) time *= 2;
  time = std::min(time, settings.max_ejection_time);
  record->last_ejected = now;
  record->ejection = Ejection{now + time, ++record->times, reason};
}

std::vector<OutlierDetector::Change> OutlierDetector::Return(absl::Duration now) {
  std::vector<Change> changes;
  for (auto& [key, record] : records_) {
    if (!record.ejection.has_value() || now < record.ejection->until) continue;
    record.ejection.reset();
    record.last_returned = now;
    changes.push_back({key, false, "returns after its ejection"});
  }
  return changes;
}

const OutlierDetector::Ejection* OutlierDetector::Find(const std::string& key) const {
  const auto found = records_.find(key);
  if (found == records_.end() || !found->second.ejection.has_value()) return nullptr;
  return &*found->second.ejection;
}

}  // namespace guideway
