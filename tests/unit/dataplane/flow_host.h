// A directory of flow tables, runs of a data plane there, and flows in its tables. One thread.
#ifndef GUIDEWAY_TESTS_UNIT_DATAPLANE_FLOW_HOST_H_
#define GUIDEWAY_TESTS_UNIT_DATAPLANE_FLOW_HOST_H_

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <utility>

#include "dataplane/flows/flow_files.h"

namespace guideway {

namespace fs = std::filesystem;

inline constexpr uint32_t kNow = 100000;
inline constexpr uint64_t kBoot = 77, kKey = 5;
inline constexpr FlowTimeouts kTimeouts;

// A directory of flow tables, and runs of a data plane there.
struct Host {
  Host() {
    char name[] = "/dev/shm/flow-files-test-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    path = name;
  }
  ~Host() { fs::remove_all(path); }

  absl::StatusOr<FlowFiles> TryToStart(uint32_t workers, uint64_t flows = 1024,
                                       bool forget = false) const {
    return OpenFlowFiles({.directory = path,
                          .workers = workers,
                          .table_bytes = FlowTable::BytesFor(flows),
                          .forget = forget,
                          .now_s = now_s,
                          .boot = boot});
  }
  FlowFiles Start(uint32_t workers, uint64_t flows = 1024, bool forget = false) const {
    auto files = TryToStart(workers, flows, forget);
    INFO(files.status());
    REQUIRE(files.ok());
    REQUIRE(files->tables.size() == workers);
    // As workers do once they have their tables.
    for (const auto& table : files->tables) {
      if (table->key_digest() != kKey) table->Clear(kKey);
    }
    return *std::move(files);
  }
  std::set<std::string> Names() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(path)) names.insert(entry.path().filename());
    return names;
  }
  std::string File(const std::string& name) const { return path + "/" + name; }
  void Write(const std::string& name, uint64_t at, uint64_t value) const {
    std::fstream file(File(name), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(at));
    file.write(reinterpret_cast<const char*>(&value), sizeof(value));
    REQUIRE(file.good());
  }

  std::string path;
  uint32_t now_s = kNow;
  uint64_t boot = kBoot;
};

inline uint64_t HashOf(uint64_t n) { return (n + 1) * 0x9e3779b97f4a7c15; }
inline BackendId BackendOf(uint64_t n) { return static_cast<BackendId>(3 << 16 | n % 100); }

// Flows `from` to `to` in the workers' tables, by turns.
inline void Enter(const FlowFiles& files, uint64_t from, uint64_t to,
                  FlowState state = FlowState::kEstablished) {
  for (uint64_t n = from; n < to; ++n) {
    FlowTable& table = *files.tables[n % files.tables.size()];
    REQUIRE(table.Insert(HashOf(n), BackendOf(n), state, kNow, kTimeouts) != FlowInsert::kFull);
  }
}

// How many of these flows some table knows, with their backend.
inline uint64_t Known(const FlowFiles& files, uint64_t from, uint64_t to, uint32_t now_s = kNow) {
  uint64_t known = 0;
  for (uint64_t n = from; n < to; ++n) {
    for (const auto& table : files.tables) {
      if (table->Peek(HashOf(n), now_s) != BackendOf(n)) continue;
      ++known;
      break;
    }
  }
  return known;
}

inline std::string TextOf(const FlowFiles& files) {
  std::string text;
  for (const auto* lines : {&files.notes, &files.warnings}) {
    for (const std::string& line : *lines) text += line + "\n";
  }
  return text;
}
inline bool Says(const FlowFiles& files, const std::string& text) {
  INFO(TextOf(files));
  return TextOf(files).find(text) != std::string::npos;
}

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_DATAPLANE_FLOW_HOST_H_
