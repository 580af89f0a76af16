// QUIC-LB from the configuration to the tables, and the messages that a change takes.
#include <catch2/catch.hpp>

#include "tests/unit/controlplane/compiler_bench.h"

namespace guideway {
namespace {

using channel::MessageType;

// The bench with a UDP VIP that has two configurations; backend i's server ID is 0i.
Bench QuicBench() {
  Bench bench(3);
  for (int i = 1; i <= 3; ++i) bench.backend(i)->set_server_id(absl::StrCat("0", i));
  v1::Vip* vip = bench.config.add_vips();
  *vip = bench.config.vips(0);
  vip->set_name("quic");
  vip->set_protocol(v1::UDP);
  for (const uint32_t id : {0u, 5u}) {
    v1::QuicLb* quic_lb = vip->add_quic_lb();
    quic_lb->set_config_id(id);
    quic_lb->set_server_id_length(1);
    quic_lb->set_nonce_length(4 + id);
    if (id != 0) quic_lb->set_key("000102030405060708090A0b0c0d0e0f");
  }
  return bench;
}

TEST_CASE("server IDs and configurations are compiled") {
  Bench bench = QuicBench();
  const Compiled compiled = bench.Compile();
  for (int i = 1; i <= 3; ++i) {
    const auto& body = compiled.tables.backends.at(compiled.backends.at(Bench::Key(i)).index);
    CHECK(body.server_id == ServerId{.bytes = {static_cast<uint8_t>(i)}, .length_bytes = 1});
    CHECK(body.server_id_pool == compiled.pools.at("web").index);
  }
  const uint32_t first = compiled.vip_indices.at("quic") * kQuicLbConfigs;
  REQUIRE(compiled.tables.quic_lbs.size() == 2);
  const auto& plain = compiled.tables.quic_lbs.at(first);
  CHECK(plain.index == first);
  CHECK(plain.server_id_bytes == 1);
  CHECK(plain.nonce_bytes == 4);
  CHECK(plain.encrypted == 0);
  CHECK(plain.key == Aes128::Block{});
  const auto& encrypted = compiled.tables.quic_lbs.at(first + 5);
  CHECK(encrypted.index == first + 5);
  CHECK(encrypted.nonce_bytes == 9);
  CHECK(encrypted.encrypted == 1);
  CHECK(encrypted.key == Aes128::Block{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15});
}

TEST_CASE("a lingering backend's server ID is free for its successor") {
  Bench bench = QuicBench();
  const Compiled before = bench.Compile();
  bench.Remove(1);
  bench.Add(4);
  bench.backend(3)->set_server_id("01");
  const Compiled after = bench.Compile();
  const auto old = before.backends.at(Bench::Key(1)).index;
  CHECK(after.tables.backends.at(old).server_id.length_bytes == 0);
  CHECK(after.tables.backends.at(old).server_id_pool == 0);
  CHECK(after.tables.backends.at(old).keeps_known_flows == 1);
  CHECK(after.tables.backends.at(after.backends.at(Bench::Key(4)).index).server_id.bytes[0] == 1);
}

TEST_CASE("rolling a key takes the messages it must and no more") {
  Bench bench = QuicBench();
  Compiled before = bench.Compile();
  CHECK(Difference(&before.tables, bench.Compile().tables).empty());
  v1::Vip* vip = bench.config.mutable_vips(1);
  vip->mutable_quic_lb(1)->set_key("100102030405060708090A0b0c0d0e0f");
  Compiled after = bench.Compile();
  CHECK(TypesOf(Difference(&before.tables, after.tables)) ==
        std::vector<MessageType>{MessageType::kSetQuicLb});
  *vip->add_quic_lb() = vip->quic_lb(0);
  vip->mutable_quic_lb(0)->set_config_id(1);
  before = after;
  after = bench.Compile();
  CHECK(TypesOf(Difference(&before.tables, after.tables)) ==
        std::vector<MessageType>{MessageType::kSetQuicLb});
  before = after;
  vip->mutable_quic_lb()->DeleteSubrange(0, 1);
  after = bench.Compile();
  CHECK(TypesOf(Difference(&before.tables, after.tables)) ==
        std::vector<MessageType>{MessageType::kDeleteQuicLb});
  bench.backend(2)->set_server_id("09");
  before = after;
  after = bench.Compile();
  CHECK(TypesOf(Difference(&before.tables, after.tables)) ==
        std::vector<MessageType>{MessageType::kSetBackend});
}

}  // namespace
}  // namespace guideway
