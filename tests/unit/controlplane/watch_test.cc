// The API's streams and its description of itself: Watch, reflection, comments.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <grpcpp/generic/generic_stub.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/synchronization/notification.h"
#include "controlplane/server/watch_hub.h"
#include "tests/unit/controlplane/test_api.h"

namespace guideway {
namespace {

std::shared_ptr<grpc::Channel> ChannelTo(const TestApi& daemon) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel("unix:" + daemon.socket(), grpc::InsecureChannelCredentials(),
                                   arguments);
}

void SetDeadline(grpc::ClientContext* context) {
  context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
}

struct Watching {
  explicit Watching(const TestApi& daemon) : stub(v1::Guideway::NewStub(ChannelTo(daemon))) {
    SetDeadline(&context);
    reader = stub->Watch(&context, {});
  }
  v1::WatchEvent Read() {
    v1::WatchEvent event;
    REQUIRE(reader->Read(&event));
    return event;
  }
  std::unique_ptr<v1::Guideway::Stub> stub;
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReader<v1::WatchEvent>> reader;
};

v1::WatchEvent Tables(uint64_t generation) {
  v1::WatchEvent event;
  event.mutable_tables()->set_generation(generation);
  return event;
}

TEST_CASE("watchers learn what is so and then what changes") {
  TestApi daemon;
  Watching one(daemon);
  const v1::WatchEvent start = one.Read();
  CHECK(start.start().status().config_version() == 1);
  CHECK(start.start().state().pools_size() == 2);
  CHECK(start.time_unix_ms() > 1'600'000'000'000);
  Watching two(daemon);
  CHECK(two.Read().has_start());
  for (uint64_t i = 1; i <= 3; ++i) daemon.server().Publish(Tables(i));
  for (Watching* watching : {&one, &two}) {
    for (uint64_t i = 1; i <= 3; ++i) {
      const v1::WatchEvent event = watching->Read();
      CHECK(event.tables().generation() == i);
      CHECK(event.sequence() == i);
    }
  }
  Watching late(daemon);
  CHECK(late.Read().sequence() == 3);
  CHECK(daemon.Run({"watch", "--count", "1"}).exit_code == 0);
  CHECK(absl::StrContains(daemon.Run({"watch", "--count", "1"}).out,
                          "watching: configuration version 1, generation 3 in force"));
  daemon.Stop();
  v1::WatchEvent event;
  CHECK_FALSE(one.reader->Read(&event));
  CHECK(one.reader->Finish().error_code() == grpc::StatusCode::UNAVAILABLE);
}

TEST_CASE("a watcher that does not read is dropped, and the others are not") {
  TestApi daemon;
  Watching slow(daemon);
  CHECK(slow.Read().has_start());
  Watching quick(daemon);
  CHECK(quick.Read().has_start());
  // More than the connection's windows and the queue can hold.
  v1::WatchEvent big;
  big.mutable_health()->set_reason(std::string(60'000, 'x'));
  constexpr int kEvents = 2000;
  for (int i = 0; i < kEvents; ++i) {
    daemon.server().Publish(big);
    REQUIRE(quick.Read().has_health());
  }
  v1::WatchEvent event;
  int got = 0;
  while (slow.reader->Read(&event)) ++got;
  const grpc::Status end = slow.reader->Finish();
  CHECK(end.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
  CHECK(end.error_message() == "too slow: 256 events were waiting; watch again");
  CHECK(got < kEvents);
  daemon.server().Publish(Tables(7));
  CHECK(quick.Read().tables().generation() == 7);
}

TEST_CASE("there are so many watchers and no more; those that go make room") {
  TestApi daemon;
  std::vector<std::unique_ptr<Watching>> watching;
  for (size_t i = 0; i < WatchHub::kMaxWatchers; ++i) {
    watching.push_back(std::make_unique<Watching>(daemon));
    CHECK(watching.back()->Read().has_start());
  }
  Watching refused(daemon);
  v1::WatchEvent event;
  CHECK_FALSE(refused.reader->Read(&event));
  CHECK(refused.reader->Finish().error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
  // 64 streams, and still threads for other calls.
  CHECK(daemon.Run({"status"}).exit_code == 0);
  watching.pop_back();
  for (;;) {  // until the server has noticed; the deadline ends it otherwise
    Watching again(daemon);
    if (again.reader->Read(&event)) break;
    REQUIRE(again.reader->Finish().error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
  }
}

// Lets a start be collected when the test says so.
struct Gate {
  // As a hook of the daemon, called while a start is being collected.
  void Pass() {
    entered.Notify();
    may_pass.WaitForNotificationWithTimeout(absl::Seconds(20));
  }
  absl::Notification entered;
  absl::Notification may_pass;
};

TEST_CASE("what happens while the start is collected follows it; nobody waits for that") {
  TestApi daemon;
  Gate gate;
  daemon.in_status = [&] {
    if (!gate.entered.HasBeenNotified()) gate.Pass();
  };
  daemon.server().Publish(Tables(1));  // before: it is part of what is so
  Watching first(daemon);
  REQUIRE(gate.entered.WaitForNotificationWithTimeout(absl::Seconds(20)));
  // More than a watcher's queue has room for.
  constexpr uint64_t kMeanwhile = WatchHub::kMaxWaiting * 2;
  for (uint64_t i = 0; i < kMeanwhile; ++i) daemon.server().Publish(Tables(2 + i));
  Watching second(daemon);  // gets a start of its own, after the first one's
  gate.may_pass.Notify();
  const v1::WatchEvent start = first.Read();
  REQUIRE(start.has_start());
  CHECK(start.sequence() == 1);
  for (uint64_t i = 0; i < kMeanwhile; ++i) {
    const v1::WatchEvent event = first.Read();
    REQUIRE(event.sequence() == 2 + i);
    REQUIRE(event.tables().generation() == 2 + i);
  }
  CHECK(second.Read().sequence() == 1 + kMeanwhile);
  daemon.server().Publish(Tables(7));
  CHECK(first.Read().tables().generation() == 7);
  CHECK(second.Read().tables().generation() == 7);
}

TEST_CASE("a watcher that goes before its start is there leaves no trace") {
  TestApi daemon;
  Gate gate;
  daemon.in_status = [&] {
    if (!gate.entered.HasBeenNotified()) gate.Pass();
  };
  auto gone = std::make_unique<Watching>(daemon);
  REQUIRE(gate.entered.WaitForNotificationWithTimeout(absl::Seconds(20)));
  gone->context.TryCancel();
  CHECK(gone->reader->Finish().error_code() == grpc::StatusCode::CANCELLED);
  gone.reset();
  gate.may_pass.Notify();
  Watching next(daemon);
  CHECK(next.Read().has_start());
}

TEST_CASE("no change is missed by those who begin to watch beside many changes") {
  TestApi daemon;
  std::atomic<bool> stop = false;
  std::thread changing([&] {
    for (uint64_t i = 1; !stop; ++i) {
      daemon.server().Publish(Tables(i));
      if (i % 16 == 0) daemon.Run({"backend", "weight", "web", "web-1", absl::StrCat(i / 16 % 99)});
    }
  });
  for (int i = 0; i < 20; ++i) {
    Watching watching(daemon);
    uint64_t sequence = watching.Read().sequence();
    for (int n = 0; n < 50; ++n) REQUIRE(watching.Read().sequence() == ++sequence);
  }
  stop = true;
  changing.join();
}

TEST_CASE("events are counted also while nobody watches") {
  TestApi daemon;
  for (uint64_t i = 1; i <= 3; ++i) daemon.server().Publish(Tables(i));
  Watching late(daemon);
  CHECK(late.Read().sequence() == 3);
}

TEST_CASE("who comes after the end is not let in") {
  WatchHub hub([](v1::WatchStart*) { return grpc::Status::OK; });
  hub.Stop();
  WatchHub::Reactor* refused = hub.Open();
  CHECK(hub.watchers() == 0);
  refused->OnDone();  // as gRPC does: it deletes itself
}

TEST_CASE("no answer about what is so holds a secret") {
  const std::string key = "8f95f09245765f80256934e50c66207f";
  TestApi daemon(absl::StrReplaceAll(
      TestYaml(), {{"address: 10.0.1.1", "address: 10.0.1.1, server_id: \"0a0b\""},
                   {"- {name: site, address: 192.0.2.1, port: 443, protocol: tcp, pool: web}",
                    "- name: site\n  address: 192.0.2.1\n  port: 443\n  protocol: udp\n"
                    "  pool: idle\n  quic_lb:\n  - {config_id: 0, server_id_length: 2, "
                    "nonce_length: 14, key: " +
                        key + "}"}}));
  REQUIRE(daemon.store().config().vips(0).quic_lb(0).key() == key);
  Watching watching(daemon);
  const v1::WatchEvent start = watching.Read();
  grpc::ClientContext contexts[2];
  v1::GetStateResponse state;
  REQUIRE(watching.stub->GetState(&contexts[0], {}, &state).ok());
  v1::ExplainFlowRequest request;
  request.set_destination("192.0.2.1");
  v1::ExplainFlowResponse flow;
  REQUIRE(watching.stub->ExplainFlow(&contexts[1], request, &flow).ok());
  CHECK(start.start().state().vips(0).vip().quic_lb(0).key() == "(hidden)");
  CHECK(state.vips(0).vip().quic_lb(0).key() == "(hidden)");
  CHECK(flow.vip().vip().quic_lb(0).key() == "(hidden)");
}

TEST_CASE("the server describes itself by reflection") {
  TestApi daemon;
  grpc::GenericStub stub(ChannelTo(daemon));
  grpc::ClientContext context;
  SetDeadline(&context);
  grpc::CompletionQueue queue;
  const auto call = stub.PrepareCall(
      &context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  const auto next = [&] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  call->StartCall(nullptr);
  REQUIRE(next());
  // ServerReflectionRequest.list_services, field 7, set to "*".
  const grpc::Slice request("\x3a\x01*", 3);
  call->Write(grpc::ByteBuffer(&request, 1), nullptr);
  REQUIRE(next());
  grpc::ByteBuffer response;
  call->Read(&response, nullptr);
  REQUIRE(next());
  std::vector<grpc::Slice> slices;
  REQUIRE(response.Dump(&slices).ok());
  std::string text;
  for (const grpc::Slice& slice : slices) {
    text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  CHECK(absl::StrContains(text, "guideway.v1.Guideway"));
  context.TryCancel();
  queue.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue.Next(&tag, &ok)) continue;
}

// Names what has no comment; comments on the same line count.
template <typename Descriptor>
void Check(const Descriptor& descriptor, std::vector<std::string>* bare) {
  google::protobuf::SourceLocation location;
  const bool has = descriptor.GetSourceLocation(&location) &&
                   !(location.leading_comments.empty() && location.trailing_comments.empty());
  if (!has) bare->push_back(descriptor.full_name());
}

TEST_CASE("every call, message, field and value of the API has a comment") {
  google::protobuf::FileDescriptorSet set;
  REQUIRE(set.ParseFromString(ReadWhole(getenv("API_DESCRIPTORS"))));
  google::protobuf::DescriptorPool pool;
  for (const auto& each : set.file()) pool.BuildFile(each);
  const auto* file = pool.FindFileByName("controlplane/api/guideway_service.proto");
  REQUIRE(file != nullptr);
  std::vector<std::string> bare;
  for (int i = 0; i < file->service_count(); ++i) {
    Check(*file->service(i), &bare);
    for (int k = 0; k < file->service(i)->method_count(); ++k) {
      Check(*file->service(i)->method(k), &bare);
    }
  }
  for (int i = 0; i < file->message_type_count(); ++i) {
    const auto& message = *file->message_type(i);
    Check(message, &bare);
    for (int k = 0; k < message.field_count(); ++k) Check(*message.field(k), &bare);
  }
  for (int i = 0; i < file->enum_type_count(); ++i) {
    Check(*file->enum_type(i), &bare);
    for (int k = 0; k < file->enum_type(i)->value_count(); ++k) {
      Check(*file->enum_type(i)->value(k), &bare);
    }
  }
  CHECK(bare == std::vector<std::string>{});
}

}  // namespace
}  // namespace guideway
