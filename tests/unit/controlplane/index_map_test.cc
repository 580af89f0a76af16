// IndexMap against std::map, and what copies share.
#include "controlplane/compiler/index_map.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>

namespace guideway {
namespace {

using Map = IndexMap<int>;

std::map<uint32_t, int> Content(const Map& map) {
  std::map<uint32_t, int> content;
  map.ForEach([&](uint32_t index, int value) { content[index] = value; });
  return content;
}

TEST_CASE("an index map is a map; copies do not change with it") {
  std::minstd_rand random(7);
  Map map;
  std::map<uint32_t, int> model;
  std::vector<std::pair<Map, std::map<uint32_t, int>>> copies;
  for (int step = 0; step < 20000; ++step) {
    const auto index = static_cast<uint32_t>(random() % 700);
    if (random() % 3 == 0) {
      map.Erase(index);
      model.erase(index);
    } else {
      map.Set(index, step);
      model[index] = step;
    }
    REQUIRE(map.size() == model.size());
    REQUIRE(map.contains(index) == model.contains(index));
    if (map.contains(index)) REQUIRE(map.at(index) == step);
    if (step % 997 == 0) copies.emplace_back(map, model);
  }
  CHECK(Content(map) == model);
  CHECK_FALSE(map.contains(1000000));
  for (const auto& [copy, content] : copies) REQUIRE(Content(copy) == content);
}

TEST_CASE("what copies share is left out, what differs is not") {
  Map map;
  for (uint32_t i = 0; i < 1000; ++i) map.Set(i, 1);
  const Map before = map;
  const auto not_shared = [](const Map& a, const Map& b) {
    std::map<uint32_t, int> visited;
    a.ForEachNotShared(&b, [&](uint32_t index, int value) { visited[index] = value; });
    return visited;
  };
  CHECK(not_shared(map, before).empty());
  map.Set(500, 2);
  map.Erase(10);
  const auto now = not_shared(map, before);
  CHECK(now.size() == 64 + 63);  // the two chunks
  CHECK(now.at(500) == 2);
  CHECK_FALSE(now.contains(10));
  CHECK(not_shared(before, map).at(10) == 1);
  CHECK(not_shared(map, Map()).size() == 999);
}

}  // namespace
}  // namespace guideway
