// See vip_registry.h.
#include "controlplane/compiler/vip_registry.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "lib/base/status.h"
#include "lib/channel/messages.h"

namespace guideway {
namespace {

constexpr char kName[] = "vip-indices";
constexpr char kFirstLine[] = "guideway-vip-indices 1";

}  // namespace

KeptState VipRegistry::StateIn(const std::string& directory) { return {directory, kName}; }

absl::Status VipRegistry::Load(KeptState* state) {
  const absl::StatusOr<std::string> text = state->Read();
  if (absl::IsNotFound(text.status())) return absl::OkStatus();
  GW_RETURN_IF_ERROR(text.status());
  VipRegistry loaded;
  GW_RETURN_IF_ERROR(Annotate(loaded.Parse(*text), kName));
  *this = std::move(loaded);
  return absl::OkStatus();
}

absl::Status VipRegistry::Parse(const std::string& text) {
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  if (lines[0] != kFirstLine) {
    return absl::InvalidArgumentError(absl::StrCat("line 1: is not '", kFirstLine, "'"));
  }
  for (size_t i = 1; i < lines.size(); ++i) {
    if (lines[i].empty() && i + 1 == lines.size()) break;
    const std::vector<std::string> words = absl::StrSplit(lines[i], absl::MaxSplits(' ', 2));
    Record record;
    if (words.size() != 3 || !absl::SimpleAtoi(words[0], &record.index) ||
        !absl::SimpleAtoi(words[1], &record.left) || !indices_.Take(record.index) ||
        !records_.emplace(words[2], record).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("line ", i + 1, ": is not the index of a VIP, or is given twice"));
    }
    last_left_ = std::max(last_left_, record.left);
    if (record.left != 0) ++former_;
  }
  return absl::OkStatus();
}

std::string VipRegistry::Print() const {
  std::string text = absl::StrCat(kFirstLine, "\n");
  for (const auto& [name, record] : records_) {
    absl::StrAppend(&text, record.index, " ", record.left, " ", name, "\n");
  }
  return text;
}

absl::Status VipRegistry::Save(KeptState* state) {
  if (!dirty_) return absl::OkStatus();
  GW_RETURN_IF_ERROR(state->Write(Print()));
  dirty_ = false;
  return absl::OkStatus();
}

void VipRegistry::Retain(const std::set<std::string>& names) {
  for (auto& [name, record] : records_) {
    const bool here = names.contains(name);
    if (here == (record.left == 0)) continue;
    record.left = here ? 0 : ++last_left_;
    former_ += here ? -1 : 1;
    dirty_ = true;
  }
  while (former_ > kFormer) ForgetOldest();
}

void VipRegistry::ForgetOldest() {
  auto oldest = records_.end();
  for (auto it = records_.begin(); it != records_.end(); ++it) {
    if (it->second.left == 0) continue;
    if (oldest == records_.end() || it->second.left < oldest->second.left) oldest = it;
  }
  if (oldest == records_.end()) return;
  indices_.Free(oldest->second.index);
  records_.erase(oldest);
  --former_;
  dirty_ = true;
}

uint32_t VipRegistry::Use(const std::string& name) {
  const auto found = records_.find(name);
  if (found != records_.end()) return found->second.index;
  if (indices_.taken() >= channel::kMaxVips) ForgetOldest();
  const uint32_t index = indices_.TakeLowest();
  records_[name].index = index;
  dirty_ = true;
  return index;
}

}  // namespace guideway
