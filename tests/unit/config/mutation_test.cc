// Random damage to a valid file: never a crash, and whatever is accepted prints and reads back.
#include <catch2/catch.hpp>
#include <random>

#include "absl/strings/match.h"
#include "google/protobuf/util/message_differencer.h"
#include "lib/config/load.h"
#include "lib/config/printer.h"

namespace guideway {
namespace {

// Fixed seed: a failure repeats.
class Mutator {
 public:
  explicit Mutator(const std::string& valid) : valid_(valid) {}

  std::string Next() {
    std::string text = valid_;
    const size_t changes = 1 + random_() % 4;
    for (size_t i = 0; i < changes; ++i) Change(&text);
    return text;
  }
  std::string Garbage() {
    std::string text(random_() % 300, ' ');
    static constexpr char kLikely[] = "[]{},:-?&*!|>'\"%@`# \n\tab01~";
    for (char& c : text) {
      c = random_() % 8 == 0 ? static_cast<char>(random_())
                             : kLikely[random_() % (sizeof(kLikely) - 1)];
    }
    return text;
  }

 private:
  void Change(std::string* text) {
    const size_t at = text->empty() ? 0 : random_() % text->size();
    const size_t length = random_() % 20;
    switch (random_() % 6) {
      case 0:
        text->insert(at, 1, static_cast<char>(random_()));
        break;
      case 1:
        text->erase(at, length);
        break;
      case 2:
        text->insert(at, text->substr(random_() % (text->size() + 1), length));
        break;
      case 3:
        if (!text->empty()) (*text)[at] = static_cast<char>(random_());
        break;
      case 4:
        text->resize(at);
        break;
      default: {
        static constexpr const char* kTokens[] = {
            "\n- ",   ": ",    "[",           "{",    "}",           "]",    "&a ", "*a",
            "!!int ", "---\n", "\"",          "'",    "|\n",         ">-\n", "? ",  "<<: ",
            "~",      "-1",    "99999999999", "\xff", "%YAML 9.9\n", "\t"};
        text->insert(at, kTokens[random_() % std::size(kTokens)]);
      }
    }
  }

  std::string valid_;
  std::mt19937 random_{20240229};
};

void CheckOne(const std::string& text, int* accepted) {
  const auto config = ParseConfig(text, "f");
  if (!config.ok()) {
    if (!absl::StartsWith(config.status().message(), "f:")) FAIL(config.status());
    return;
  }
  ++*accepted;
  const auto again = ParseConfig(PrintYaml(*config), "printed");
  if (!again.ok() || !google::protobuf::util::MessageDifferencer::Equals(*config, *again)) {
    CAPTURE(text, PrintYaml(*config), again.status());
    FAIL("an accepted configuration does not read back");
  }
}

TEST_CASE("damaged files are refused or read, never more") {
  const auto valid = ReadConfigText(GUIDEWAY_SOURCE_ROOT "/docs/example.yaml");
  REQUIRE(valid.ok());
  Mutator mutator(*valid);
  int accepted = 0;
  for (int i = 0; i < 10000; ++i) CheckOne(mutator.Next(), &accepted);
  CHECK(accepted > 100);   // damage in comments is none
  CHECK(accepted < 9000);  // and most other damage is seen
}

TEST_CASE("garbage is refused") {
  Mutator mutator("");
  int accepted = 0;
  for (int i = 0; i < 20000; ++i) CheckOne(mutator.Garbage(), &accepted);
  CHECK(accepted == 0);
}

}  // namespace
}  // namespace guideway
