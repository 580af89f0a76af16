// Index allocation and its file.
#include "controlplane/compiler/backend_registry.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "lib/base/status.h"

namespace guideway {
namespace {

constexpr char kName[] = "backend-indices";
constexpr char kFirstLine[] = "guideway-backend-indices 1";

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
  return KeptState(directory, kName, kFirstLine);
}

absl::Status BackendRegistry::Load(KeptState* state) {
  const absl::StatusOr<std::string> text = state->Read();
  if (absl::IsNotFound(text.status())) return absl::OkStatus();
  GW_RETURN_IF_ERROR(text.status());
  BackendRegistry loaded(first_incarnation_);
  GW_RETURN_IF_ERROR(Annotate(loaded.Parse(*text), kName));
  *this = std::move(loaded);
  // Written once more after a start: a file without checksum gets one.
  dirty_ = true;
  return absl::OkStatus();
}

absl::Status BackendRegistry::Parse(const std::string& text) {
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  if (lines.empty() || lines[0] != kFirstLine) {
    return absl::InvalidArgumentError(absl::StrCat("line 1: is not '", kFirstLine, "'"));
  }
  for (size_t i = 1; i < lines.size(); ++i) {
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
    if (taken_.contains(record.index)) return absl::InvalidArgumentError("index is given twice");
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
  if (removed_ms != 0) record.removed_at = absl::FromUnixMillis(removed_ms);
  const std::string& key = words[6];
  GW_ASSIGN_OR_RETURN(record.address, IpAddress::Parse(key.substr(key.rfind('/') + 1)));
  if (last_incarnation_.contains(record.index) || !taken_.insert(record.index).second ||
      !records_.emplace(key, record).second) {
    return absl::InvalidArgumentError("index or backend is given twice");
  }
  return absl::OkStatus();
}

std::string BackendRegistry::Print() const {
  std::string text = absl::StrCat(kFirstLine, "\nfirst ", first_incarnation_, "\n");
  for (const auto& [index, incarnation] : last_incarnation_) {
    absl::StrAppend(&text, "free ", index, " ", incarnation, "\n");
  }
  for (const auto& [key, record] : records_) {
    absl::StrAppend(&text, "used ", record.index, " ", record.incarnation, " ",
                    record.keeps_known_flows ? 1 : 0, " ", record.delivery.ToString(), " ",
                    record.lingers() ? absl::ToUnixMillis(record.removed_at) : 0, " ", key, "\n");
  }
  return text;
}

absl::Status BackendRegistry::Save(KeptState* state) {
  if (!dirty_) return absl::OkStatus();
  GW_RETURN_IF_ERROR(state->Write(Print()));
  dirty_ = false;
  return absl::OkStatus();
}

void BackendRegistry::Retain(const std::set<std::string>& keys, absl::Time now,
                             absl::Duration linger) {
  for (auto it = records_.begin(); it != records_.end();) {
    const auto record = it++;
    if (keys.contains(record->first)) continue;
    if (!record->second.lingers()) {
      record->second.removed_at = now;
      dirty_ = true;
    } else if (record->second.removed_at + linger <= now) {
      Free(record);
    } else if (record->second.removed_at > now) {
      record->second.removed_at = now;  // the clock was set back: the wait begins anew
    }
  }
}

void BackendRegistry::Free(std::map<std::string, Record>::iterator record) {
  taken_.erase(record->second.index);
  last_incarnation_[record->second.index] = record->second.incarnation;
  records_.erase(record);
  dirty_ = true;
}

bool BackendRegistry::FindFreeIndex(uint16_t* index) const {
  // The lowest that no other holds.
  uint32_t candidate = 0;
  for (const uint16_t taken : taken_) {
    if (taken != candidate) break;
    ++candidate;
  }
  *index = static_cast<uint16_t>(candidate);
  return candidate < channel::kMaxBackends;
}

absl::StatusOr<BackendRegistry::Record*> BackendRegistry::Use(const std::string& key,
                                                              const IpAddress& address,
                                                              const Delivery& delivery) {
  const auto found = records_.find(key);
  if (found != records_.end()) {
    Record& known = found->second;
    if (known.lingers() || known.delivery != delivery) dirty_ = true;
    known.removed_at = absl::InfiniteFuture();
    known.delivery = delivery;
    return &known;
  }
  Record record;
  record.address = address;
  record.delivery = delivery;
  if (!FindFreeIndex(&record.index)) {
    const auto oldest = std::min_element(
        records_.begin(), records_.end(),
        [](const auto& a, const auto& b) { return a.second.removed_at < b.second.removed_at; });
    if (!oldest->second.lingers()) {
      return absl::ResourceExhaustedError(
          absl::StrCat(key, ": all ", channel::kMaxBackends, " backend indices are in use"));
    }
    Free(oldest);
    FindFreeIndex(&record.index);
  }
  const auto last = last_incarnation_.find(record.index);
  record.incarnation =
      last == last_incarnation_.end() ? first_incarnation_ : NextIncarnation(last->second);
  if (last != last_incarnation_.end()) last_incarnation_.erase(last);
  taken_.insert(record.index);
  dirty_ = true;
  return &records_.emplace(key, record).first->second;
}

absl::Time BackendRegistry::NextExpiry(absl::Duration linger) const {
  absl::Time next = absl::InfiniteFuture();
  for (const auto& [key, record] : records_) {
    if (record.lingers()) next = std::min(next, record.removed_at + linger);
  }
  return next;
}

}  // namespace guideway
