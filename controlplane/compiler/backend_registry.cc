// Index allocation and its file.
#include "controlplane/compiler/backend_registry.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "lib/base/status.h"

namespace guideway {
namespace {

constexpr char kName[] = "backend-indices";
constexpr char kFirstLine[] = "guideway-backend-indices 2";
constexpr char kFirstLine1[] = "guideway-backend-indices 1";

uint16_t NextIncarnation(uint16_t incarnation) {
  return incarnation == 0xffff ? uint16_t{1} : static_cast<uint16_t>(incarnation + 1);
}

bool ParseNumber(const std::string& text, uint32_t max, uint16_t* value) {
  uint32_t number = 0;
  if (!absl::SimpleAtoi(text, &number) || number > max) return false;
  *value = static_cast<uint16_t>(number);
  return true;
}

}  // namespace

std::string BackendKey(const std::string& pool, const std::string& name,
                       const std::string& address) {
  return absl::StrCat(pool, "/", name, "/", address);
}

BackendRegistry::BackendRegistry(uint16_t first_incarnation)
    : first_incarnation_(std::max<uint16_t>(first_incarnation, 1)), dirty_(true) {}

KeptState BackendRegistry::StateIn(const std::string& directory) {
  return KeptState(directory, kName, kFirstLine1);
}

absl::Status BackendRegistry::Load(KeptState* state, absl::Duration now, const std::string& boot) {
  now_ = now;
  boot_ = boot;
  const absl::StatusOr<std::string> text = state->Read();
  if (absl::IsNotFound(text.status())) return absl::OkStatus();
  GW_RETURN_IF_ERROR(text.status());
  BackendRegistry loaded(first_incarnation_);
  loaded.now_ = now;
  loaded.boot_ = boot;
  GW_RETURN_IF_ERROR(Annotate(loaded.Parse(*text), kName));
  *this = std::move(loaded);
  was_kept_ = true;
  // Written once more after a start: a file without checksum gets one.
  dirty_ = true;
  return absl::OkStatus();
}

absl::Status BackendRegistry::ParseHead(const std::vector<std::string>& lines,
                                        size_t* first_record) {
  *first_record = 1;
  same_clock_ = false;
  if (!lines.empty() && lines[0] == kFirstLine1) return absl::OkStatus();
  if (lines.empty() || lines[0] != kFirstLine) {
    return absl::InvalidArgumentError(absl::StrCat("line 1: is not '", kFirstLine, "'"));
  }
  const std::vector<std::string> words = absl::StrSplit(lines.size() > 1 ? lines[1] : "", ' ');
  if (words.size() != 2 || words[0] != "boot") {
    return absl::InvalidArgumentError("line 2: does not name the boot");
  }
  same_clock_ = words[1] == boot_;
  *first_record = 2;
  return absl::OkStatus();
  return absl::OkStatus();
}

absl::Status BackendRegistry::Parse(const std::string& text) {
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  size_t first_record = 0;
  GW_RETURN_IF_ERROR(ParseHead(lines, &first_record));
  for (size_t i = first_record; i < lines.size(); ++i) {
    if (lines[i].empty() && i + 1 == lines.size()) break;
    GW_RETURN_IF_ERROR(
        Annotate(ParseLine(absl::StrSplit(lines[i], ' ')), absl::StrCat("line ", i + 1)));
  }
  return absl::OkStatus();
}

absl::Status BackendRegistry::ParseLine(const std::vector<std::string>& words) {
  const absl::Status bad = absl::InvalidArgumentError("is not a record of a backend index");
  if (words.size() == 2 && words[0] == "first") {
    return ParseNumber(words[1], 0xffff, &first_incarnation_) && first_incarnation_ != 0
               ? absl::OkStatus()
               : bad;
  }
  if (words.size() < 3) return bad;
  Record record;
  if (!ParseNumber(words[1], channel::kMaxBackends - 1, &record.index) ||
      !ParseNumber(words[2], 0xffff, &record.incarnation) || record.incarnation == 0) {
    return bad;
  }
  if (words[0] == "free" && words.size() == 3) {
    if (indices_.IsTaken(record.index)) return absl::InvalidArgumentError("index is given twice");
    return last_incarnation_.emplace(record.index, record.incarnation).second ? absl::OkStatus()
                                                                              : bad;
  }
  int64_t removed_ms = 0;
  if (words[0] != "used" || words.size() != 7 || (words[3] != "0" && words[3] != "1") ||
      !absl::SimpleAtoi(words[5], &removed_ms)) {
    return bad;
  }
  record.keeps_known_flows = words[3] == "1";
  GW_ASSIGN_OR_RETURN(record.delivery, Delivery::Parse(words[4]));
  if (removed_ms != 0) {
    record.removed_at = same_clock_ ? std::min(absl::Milliseconds(removed_ms), now_) : now_;
  }
  record.disabled = !record.lingers() && !record.keeps_known_flows;
  const std::string& key = words[6];
  GW_ASSIGN_OR_RETURN(record.address, IpAddress::Parse(key.substr(key.rfind('/') + 1)));
  if (last_incarnation_.contains(record.index) || !indices_.Take(record.index) ||
      !records_.emplace(key, record).second) {
    return absl::InvalidArgumentError("index or backend is given twice");
  }
  if (record.lingers()) lingering_.emplace(record.address, key);
  return absl::OkStatus();
}

std::optional<std::string> BackendRegistry::PrintPart(const std::string& after, size_t count,
                                                      std::string* text) const {
  if (text->empty()) {
    *text = absl::StrCat(kFirstLine, "\nboot ", boot_, "\nfirst ", first_incarnation_, "\n");
    for (const auto& [index, incarnation] : last_incarnation_) {
      absl::StrAppend(text, "free ", index, " ", incarnation, "\n");
    }
  }
  for (auto it = records_.upper_bound(after); it != records_.end(); ++it) {
    if (count-- == 0) return std::prev(it)->first;
    const auto& [key, record] = *it;
    const bool keeps = record.lingers() ? record.keeps_known_flows : !record.disabled;
    absl::StrAppend(
        text, "used ", record.index, " ", record.incarnation, " ", keeps ? 1 : 0, " ",
        record.delivery.ToString(), " ",
        record.lingers() ? std::max<int64_t>(absl::ToInt64Milliseconds(record.removed_at), 1) : 0,
        " ", key, "\n");
  }
  return std::nullopt;
}

absl::Status BackendRegistry::Save(KeptState* state) {
  if (!dirty_) return absl::OkStatus();
  std::string text;
  PrintPart("", records_.size(), &text);
  GW_RETURN_IF_ERROR(state->Write(text));
  dirty_ = false;
  return absl::OkStatus();
}

void BackendRegistry::Retain(const std::set<std::string>& keys, absl::Duration now,
                             absl::Duration limit) {
  RetainPart(keys, now, limit, "", records_.size());
}

std::optional<std::string> BackendRegistry::RetainPart(const std::set<std::string>& keys,
                                                       absl::Duration now, absl::Duration limit,
                                                       const std::string& after, size_t count) {
  now_ = now;
  if (after.empty()) lingering_.clear();
  std::string last = after;
  for (auto it = records_.upper_bound(after); it != records_.end();) {
    if (count-- == 0) return last;
    const auto record = it++;
    last = record->first;
    if (keys.contains(record->first)) continue;
    if (!record->second.lingers()) {
      record->second.removed_at = now;
      record->second.empty_since = absl::InfiniteDuration();
      dirty_ = true;
    } else if (HasLingeredEnough(record->second, limit)) {
      Free(record);
      continue;
    }
    lingering_.emplace(record->second.address, record->first);
  }
  return std::nullopt;
}

bool BackendRegistry::HasLingeredEnough(const Record& record, absl::Duration limit) const {
  const absl::Duration lingered = now_ - record.removed_at;
  return lingered >= limit ||
         (lingered >= kShortestLinger && now_ - record.empty_since >= kEmptyFor);
}

size_t BackendRegistry::lingering_count() const {
  return static_cast<size_t>(std::count_if(
      records_.begin(), records_.end(), [](const auto& entry) { return entry.second.lingers(); }));
}

bool BackendRegistry::ObserveFlows(const CountFlows& count, absl::Duration now) {
  now_ = now;
  bool any = false;
  for (const auto& [address, key] : lingering_) {
    const auto found = records_.find(key);
    if (found == records_.end() || !found->second.lingers()) continue;
    Record& record = found->second;
    const std::optional<uint64_t> flows = count(record.index);
    record.empty_since =
        flows.value_or(1) == 0 ? std::min(record.empty_since, now) : absl::InfiniteDuration();
    any = any || HasLingeredEnough(record, absl::InfiniteDuration());
  }
  return any;
}

void BackendRegistry::ForgetCounts() {
  for (auto& [key, record] : records_) record.empty_since = absl::InfiniteDuration();
}

void BackendRegistry::Free(std::map<std::string, Record>::iterator record) {
  indices_.Free(record->second.index);
  last_incarnation_[record->second.index] = record->second.incarnation;
  records_.erase(record);
  ++membership_;
  dirty_ = true;
}

// The lingering backend that has this address and delivery: the newest, if there are several.
BackendRegistry::Record* BackendRegistry::Adopt(const std::string& key, const IpAddress& address,
                                                const Delivery& delivery) {
  const auto [begin, end] = lingering_.equal_range(address);
  auto best = end;
  for (auto it = begin; it != end; ++it) {
    const auto found = records_.find(it->second);
    if (found == records_.end() || !found->second.lingers()) continue;
    if (found->second.delivery != delivery) continue;
    if (best == end || found->second.removed_at > records_.at(best->second).removed_at) best = it;
  }
  if (best == end) return nullptr;
  auto node = records_.extract(best->second);
  lingering_.erase(best);
  node.key() = key;
  node.mapped().removed_at = absl::InfiniteDuration();
  dirty_ = true;
  return &records_.insert(std::move(node)).position->second;
}

// Frees the index of one that lingers.
bool BackendRegistry::MakeRoom() {
  const auto order = [](const auto& entry) {
    const Record& record = entry.second;
    return std::make_tuple(!record.lingers(), record.empty_since == absl::InfiniteDuration(),
                           record.removed_at);
  };
  const auto first =
      std::min_element(records_.begin(), records_.end(),
                       [&](const auto& a, const auto& b) { return order(a) < order(b); });
  if (first == records_.end() || !first->second.lingers()) return false;
  if (first->second.empty_since == absl::InfiniteDuration()) {
    ++evictions_.count;
    evictions_.last_key = first->first;
    evictions_.last_at = now_;
  }
  Free(first);
  return true;
}

absl::StatusOr<BackendRegistry::Record*> BackendRegistry::Use(const std::string& key,
                                                              const IpAddress& address,
                                                              const Delivery& delivery) {
  const auto found = records_.find(key);
  if (found != records_.end()) {
    Record& known = found->second;
    if (known.lingers() || known.delivery != delivery) dirty_ = true;
    known.removed_at = absl::InfiniteDuration();
    known.delivery = delivery;
    return &known;
  }
  if (Record* adopted = Adopt(key, address, delivery)) return adopted;
  if (indices_.Lowest() >= channel::kMaxBackends && !MakeRoom()) {
    return absl::ResourceExhaustedError(
        absl::StrCat(key, ": all ", channel::kMaxBackends, " backend indices are in use"));
  }
  Record record;
  record.address = address;
  record.delivery = delivery;
  record.index = static_cast<uint16_t>(indices_.TakeLowest());
  const auto last = last_incarnation_.find(record.index);
  record.incarnation =
      last == last_incarnation_.end() ? first_incarnation_ : NextIncarnation(last->second);
  if (last != last_incarnation_.end()) last_incarnation_.erase(last);
  ++membership_;
  dirty_ = true;
  return &records_.emplace(key, record).first->second;
}

absl::Duration BackendRegistry::NextExpiry(absl::Duration limit) const {
  absl::Duration next = absl::InfiniteDuration();
  ForEachLingering([&](const Record& record) { next = std::min(next, record.removed_at + limit); });
  return next;
}

}  // namespace guideway
