// See complete.h.
#include "controlplane/cli/complete.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "controlplane/cli/cli.h"
#include "controlplane/cli/tree.h"

namespace guideway::cli {

namespace {

// Goes along a command line word by word.
class Walk {
 public:
  explicit Walk(const CLI::App& app) : tree_(ReadTree(app)), at_(&tree_[0]) {}

  // Takes in a word that is complete.
  void Take(const std::string& word);
  // What may stand next, of which `typed` is there.
  Completion Next(const std::string& typed) const;

 private:
  const OptionInfo* FindOption(const std::string& spelling) const;
  const CommandInfo* FindChild(const std::string& name) const;
  void Fill(const OptionInfo& wanted, const std::string& typed, Completion* result) const;

  const std::vector<CommandInfo> tree_;
  const CommandInfo* at_;
  const OptionInfo* open_ = nullptr;  // an option whose value comes next
  std::vector<std::string> values_;   // of the positionals so far
  std::string socket_;
};

const OptionInfo* Walk::FindOption(const std::string& spelling) const {
  for (const CommandInfo* command : {at_, &tree_[0]}) {
    for (const OptionInfo& option : command->options) {
      if (std::find(option.spellings.begin(), option.spellings.end(), spelling) !=
          option.spellings.end()) {
        return &option;
      }
    }
  }
  return nullptr;
}

const CommandInfo* Walk::FindChild(const std::string& name) const {
  const std::string path = absl::StrCat(at_->path, at_->path.empty() ? "" : " ", name);
  const bool there =
      std::find(at_->children.begin(), at_->children.end(), name) != at_->children.end();
  for (const CommandInfo& command : tree_) {
    if (there && command.path == path) return &command;
  }
  return nullptr;
}

void Walk::Take(const std::string& word) {
  if (open_ != nullptr) {
    if (open_->spellings[0] == "--socket") socket_ = word;
    open_ = nullptr;
  } else if (word.starts_with("-")) {
    const OptionInfo* option = FindOption(word);
    if (option != nullptr && !option->type.empty() && !option->value_optional) open_ = option;
  } else if (const CommandInfo* child = FindChild(word)) {
    at_ = child;
  } else {
    values_.push_back(word);
  }
}

void Walk::Fill(const OptionInfo& wanted, const std::string& typed, Completion* result) const {
  if (!wanted.choices.empty()) {
    result->words = WithPrefix(wanted.choices, typed);
  } else if (wanted.type == kFileType) {
    result->files = true;
  } else if (wanted.type == kPoolType || wanted.type == kVipType || wanted.type == kBackendType) {
    result->names_of = wanted.type;
    if (wanted.type == kBackendType && !values_.empty()) result->names_pool = values_[0];
  }
}

Completion Walk::Next(const std::string& typed) const {
  Completion result;
  result.socket = socket_;
  if (open_ != nullptr) {
    Fill(*open_, typed, &result);
  } else if (typed.starts_with("-")) {
    std::vector<std::string> all = {"--help"};
    for (const OptionInfo& option : at_->options) {
      all.insert(all.end(), option.spellings.begin(), option.spellings.end());
    }
    for (const OptionInfo& option : tree_[0].options) {
      if (at_ == &tree_[0] || option.program_only) continue;
      all.insert(all.end(), option.spellings.begin(), option.spellings.end());
    }
    result.words = WithPrefix(all, typed);
  } else if (values_.size() < at_->positionals.size()) {
    Fill(at_->positionals[values_.size()], typed, &result);
  } else {
    result.words = WithPrefix(at_->children, typed);
  }
  return result;
}

}  // namespace

Completion Complete(const CLI::App& app, const std::vector<std::string>& words) {
  if (words.empty()) return {};
  Walk walk(app);
  for (size_t i = 0; i + 1 < words.size(); ++i) walk.Take(words[i]);
  return walk.Next(words.back());
}

std::vector<std::string> WithPrefix(const std::vector<std::string>& words,
                                    const std::string& typed) {
  std::vector<std::string> fitting;
  for (const std::string& word : words) {
    if (word.starts_with(typed)) fitting.push_back(word);
  }
  return fitting;
}

}  // namespace guideway::cli
