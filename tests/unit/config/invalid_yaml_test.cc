// Every kind of mistake in a configuration file: the message names file, line, column and field,
// and says what is allowed.
#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "lib/config/load.h"

namespace guideway {
namespace {

struct Case {
  int line = 0;         // of the file of cases
  std::string yaml;     // from line 2 on; line 1 is a valid flow_hash_secret
  std::string message;  // all of it
};

constexpr char kSecret[] = "flow_hash_secret: 0123456789abcdef\n";
constexpr char kCasesFile[] = GUIDEWAY_SOURCE_ROOT "/tests/unit/config/invalid.txt";

std::vector<Case> ReadCases() {
  std::ifstream file(kCasesFile);
  std::vector<Case> cases;
  Case next;
  bool in_message = true;  // the head is no case
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line == "====") {
      if (!next.yaml.empty()) cases.push_back(next);
      next = Case{number + 1, "", ""};
      in_message = false;
    } else if (line == "--->") {
      in_message = true;
    } else if (in_message) {
      absl::StrAppend(&next.message, next.message.empty() ? "" : "\n", line);
    } else {
      absl::StrAppend(&next.yaml, line, "\n");
    }
  }
  return cases;
}

// Puts "*" for lists of the fields of a group: others may join them.
std::string HideFields(const std::string& message) {
  std::vector<std::string> lines = absl::StrSplit(message, '\n');
  for (std::string& line : lines) {
    for (const std::string list : {"allowed here: ", "must be a group of fields: "}) {
      const size_t start = line.find(list);
      if (start != std::string::npos) line = line.substr(0, start) + list + "*";
    }
  }
  return absl::StrJoin(lines, "\n");
}

TEST_CASE("every mistake is named with its place and what is allowed") {
  const std::vector<Case> cases = ReadCases();
  REQUIRE(cases.size() >= 200);
  std::set<std::string> different;
  for (const Case& c : cases) {
    different.insert(c.yaml);
    const auto config = ParseConfig(absl::StrCat(kSecret, c.yaml), "f.yaml");
    CAPTURE(c.line, c.yaml);
    REQUIRE(!config.ok());
    CHECK(HideFields(std::string(config.status().message())) == c.message);
  }
  CHECK(different.size() == cases.size());
}

TEST_CASE("the secret is required, checked, and never printed") {
  CHECK(std::string(ParseConfig("", "f").status().message()).find("f:1:1: ") == 0);
  const auto missing = ParseConfig("pools: []\n", "f");
  CHECK(missing.status().message() ==
        "f:1:1: flow_hash_secret: is missing; must be text from 16 to 256 bytes");
  const auto brief = ParseConfig("flow_hash_secret: hunter2\n", "f");
  CHECK(brief.status().message() ==
        "f:1:19: flow_hash_secret: the value is too short (7 bytes); must be text from 16 to 256 "
        "bytes");
}

TEST_CASE("all problems are reported, up to twenty, in file order") {
  std::string yaml = kSecret;
  for (int i = 0; i < 25; ++i) absl::StrAppend(&yaml, "wrong", i, ": 1\n");
  const auto config = ParseConfig(yaml, "f");
  const std::string text(config.status().message());
  CHECK(std::count(text.begin(), text.end(), '\n') == 20);
  CHECK(absl::StrContains(text, "f:2:1: wrong0"));
  CHECK(absl::StrContains(text, "f:21:1: wrong19"));
  CHECK(!absl::StrContains(text, "wrong20"));
  CHECK(absl::EndsWith(text, "\nand 5 more problems"));
}

TEST_CASE("limits of size and depth") {
  const auto large = ParseConfig(std::string((16 << 20) + 1, '#'), "f");
  CHECK(absl::StrContains(large.status().message(), "bytes; at most 16777216 are allowed"));
  for (const int depth : {33, 400, 600, 200000}) {
    const auto levels = static_cast<size_t>(depth);
    const auto deep = ParseConfig("a: " + std::string(levels, '[') + std::string(levels, ']'), "f");
    CAPTURE(depth);
    CHECK(absl::StrContains(deep.status().message(), "nested deeper than 32 levels"));
  }
  std::string many = "a: [";
  for (int i = 0; i < 1'000'001; ++i) many += "1,";
  CHECK(absl::StrContains(ParseConfig(many + "]", "f").status().message(),
                          "has more than 1000000 values"));
  const auto zero = ParseConfig(std::string("a: \0b", 5), "f");
  CHECK(absl::StrContains(zero.status().message(), "zero byte"));
  const auto latin1 = ParseConfig(
      "flow_hash_secret: \xe9\xe9\xe9\xe9"
      "0123456789abcdef\n",
      "f");
  CHECK(!latin1.ok());
}

TEST_CASE("too many entries are refused before they are read") {
  std::string yaml = kSecret;
  yaml += "pools:\n";
  for (int i = 0; i < 2049; ++i) absl::StrAppend(&yaml, "- name: p", i, "\n");
  CHECK(ParseConfig(yaml, "f").status().message() ==
        "f:2:1: pools: has 2049 entries; at most 2048 are allowed");
  yaml = kSecret;
  yaml += "pools:\n";
  for (int p = 0; p < 2; ++p) {
    absl::StrAppend(&yaml, "- name: p", p, "\n  backends:\n");
    for (int i = 0; i < 8193; ++i) {
      absl::StrAppend(&yaml, "  - {name: b", i, ", address: 10.", p, ".", i / 256, ".", i % 256,
                      "}\n");
    }
  }
  CHECK(ParseConfig(yaml, "f").status().message() ==
        "f:2:1: pools: have 16386 backends together; at most 16384 are allowed");
}

}  // namespace
}  // namespace guideway
