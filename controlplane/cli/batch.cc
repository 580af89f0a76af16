// See batch.h.
#include "controlplane/cli/batch.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "controlplane/cli/cli.h"

namespace guideway::cli {

namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

// Appends what stands in the quotes that open at line[*at]; *at is the closing one's place
// afterwards.
absl::Status TakeQuoted(const std::string& line, size_t* at, std::string* word) {
  const char quote = line[*at];
  for (++*at; *at < line.size(); ++*at) {
    const char c = line[*at];
    if (c == quote) return absl::OkStatus();
    const bool escapes = quote == '"' && c == '\\' && *at + 1 < line.size() &&
                         (line[*at + 1] == '"' || line[*at + 1] == '\\');
    if (escapes) ++*at;
    *word += line[*at];
  }
  return absl::InvalidArgumentError(absl::StrCat("a quote ", std::string(1, quote), " is open"));
}

}  // namespace

absl::StatusOr<std::vector<std::string>> SplitWords(const std::string& line) {
  std::vector<std::string> words;
  bool in_word = false;
  for (size_t at = 0; at < line.size(); ++at) {
    const char c = line[at];
    if (IsBlank(c)) {
      in_word = false;
      continue;
    }
    if (!in_word && c == '#') break;
    if (!in_word) words.emplace_back();
    in_word = true;
    if (c == '\'' || c == '"') {
      const absl::Status status = TakeQuoted(line, &at, &words.back());
      if (!status.ok()) return status;
    } else {
      words.back() += c;
    }
  }
  return words;
}

int RunBatch(Cli* cli, const std::string& file, bool keep_going) {
  std::ifstream opened;
  if (file != "-") {
    opened.open(file);
    if (!opened.is_open()) {
      cli->err() << "guideway: " << file << ": " << strerror(errno) << "\n";
      return kFailed;
    }
  }
  std::istream& in = file == "-" ? std::cin : opened;
  int result = kDone;
  uint64_t number = 0;
  for (std::string line; std::getline(in, line);) {
    const std::string place = absl::StrCat(file == "-" ? "standard input" : file, ":", ++number);
    const auto words = SplitWords(line);
    int code = kUsage;
    if (!words.ok()) {
      cli->err() << "guideway: " << place << ": " << std::string(words.status().message()) << "\n";
    } else if (words->empty()) {
      continue;
    } else {
      code = cli->RunNested(*words, place);
    }
    if (code == kDone) continue;
    if (result == kDone) result = code;
    if (!keep_going) break;
  }
  if (in.bad()) {
    cli->err() << "guideway: " << file << ": cannot be read\n";
    return kFailed;
  }
  return result;
}

}  // namespace guideway::cli
