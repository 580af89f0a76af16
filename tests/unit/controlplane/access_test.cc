// Who may call what: Unix groups with real processes of other users, certificates over real TLS.
#include "controlplane/server/access.h"

#include <google/protobuf/descriptor.h>
#include <grp.h>
#include <grpcpp/generic/generic_stub.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/unit/controlplane/misplaced.h"
#include "tests/unit/controlplane/test_api.h"

namespace guideway {
namespace {

constexpr uint32_t kReaders = 61001, kWriters = 61002, kUser = 61003;

PeerIdentity Process(uint32_t uid, uint32_t gid, std::vector<uint32_t> groups = {}) {
  PeerIdentity peer;
  peer.kind = PeerIdentity::kUnixProcess;
  peer.uid = uid;
  peer.gid = gid;
  peer.groups = std::move(groups);
  return peer;
}

TEST_CASE("roles by group") {
  const Access open = Access::Create({});
  CHECK(open.RoleOf(Process(kUser, kUser)) == Role::kWrite);
  CHECK(open.RoleOf(PeerIdentity()) == Role::kNone);
  const Access both = Access::Create({.read_group = "61001", .write_group = "61002"});
  CHECK(both.RoleOf(Process(kUser, kUser)) == Role::kNone);
  CHECK(both.RoleOf(Process(kUser, kReaders)) == Role::kRead);
  CHECK(both.RoleOf(Process(kUser, kUser, {5, kReaders})) == Role::kRead);
  CHECK(both.RoleOf(Process(kUser, kReaders, {kWriters})) == Role::kWrite);
  CHECK(both.RoleOf(Process(0, 0)) == Role::kWrite);
  CHECK(both.RoleOf(Process(geteuid(), kUser)) == Role::kWrite);
  if (geteuid() == 0) {  // the control plane's own user need not be root
    REQUIRE(seteuid(kUser) == 0);
    const Role own = both.RoleOf(Process(kUser, kUser));
    REQUIRE(seteuid(0) == 0);
    CHECK(own == Role::kWrite);
  }
  const Access readers = Access::Create({.read_group = "61001"});
  CHECK(readers.RoleOf(Process(kUser, kUser)) == Role::kNone);
  CHECK(Access::Create({.read_group = "root"}).problems().empty());
}

TEST_CASE("a group that does not exist lets nobody in, and keeps nothing from being served") {
  const Access nobody = Access::Create({.write_group = "no-such-group"});
  CHECK(nobody.problems() ==
        std::vector<std::string>{"--write_group: there is no group no-such-group"});
  CHECK(nobody.has_groups());
  CHECK(nobody.RoleOf(Process(kUser, kUser)) == Role::kNone);
  CHECK(nobody.RoleOf(Process(0, 0)) == Role::kWrite);
}

TEST_CASE("roles by certificate") {
  const Access access = Access::Create({.read_names = {"looker"}, .write_names = {"operator"}});
  using Names = std::vector<std::string>;
  CHECK(access.RoleOf(Names{"looker"}) == Role::kRead);
  CHECK(access.RoleOf(Names{"x", "operator"}) == Role::kWrite);
  CHECK(access.RoleOf(Names{"looker", "operator"}) == Role::kWrite);
  CHECK(access.RoleOf(Names{"x"}) == Role::kNone);
  CHECK(access.RoleOf(Names{}) == Role::kNone);
}

// `guideway` on `daemon`, run by another user: its exit code. The program is copied to where every
// user can get at it.
int RunAs(uint32_t uid, uint32_t gid, const TestApi& daemon, const std::string& command) {
  const std::string program = daemon.directory().File("guideway");
  std::filesystem::copy_file(getenv("GUIDEWAY_CLI"), program,
                             std::filesystem::copy_options::skip_existing);
  const std::string line = absl::StrCat("exec ", program, " --socket ", daemon.socket(), " ",
                                        command, " >/dev/null 2>&1");
  const gid_t groups[] = {gid};
  const pid_t child = fork();
  if (child == 0) {
    if (setgroups(1, groups) != 0 || setgid(gid) != 0 || setuid(uid) != 0) _exit(99);
    execl("/bin/sh", "sh", "-c", line.c_str(), nullptr);
    _exit(98);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

TEST_CASE("processes of other users get what their groups may") {
  if (geteuid() != 0) return;  // only root can be another user
  TestApi daemon(TestYaml(), {.access = {.read_group = "61001", .write_group = "61002"}});
  REQUIRE(chmod(daemon.directory().path().c_str(), 0755) == 0);
  REQUIRE(chmod(daemon.directory().File("run").c_str(), 0755) == 0);
  const std::string write = "backend weight web web-1 ";
  CHECK(RunAs(kUser, kUser, daemon, "pool list") == 1);
  CHECK(RunAs(kUser, kUser, daemon, "watch --count 1") == 1);
  CHECK(RunAs(kUser, kUser, daemon, write + "5") == 1);
  CHECK(RunAs(kUser, kReaders, daemon, "pool list") == 0);
  CHECK(RunAs(kUser, kReaders, daemon, "status") == 0);
  CHECK(RunAs(kUser, kReaders, daemon, "watch --count 1") == 0);
  CHECK(RunAs(kUser, kReaders, daemon, write + "6") == 1);
  CHECK(daemon.store().config().pools(0).backends(0).weight() == 100);
  CHECK(RunAs(kUser, kWriters, daemon, write + "7") == 0);
  CHECK(daemon.store().config().pools(0).backends(0).weight() == 7);
  CHECK(RunAs(0, 0, daemon, write + "8") == 0);
}

// Certificates, made once: two authorities, a server, and clients signed by them.
class Certificates {
 public:
  Certificates() {
    Authority("ca");
    Authority("other");
    Sign("server", "ca", "subjectAltName=IP:127.0.0.1");
    Sign("operator", "ca", "");
    Sign("looker", "ca", "");
    Sign("stranger", "ca", "");
    Sign("also-looker", "ca", "subjectAltName=DNS:looker");
    Sign("forged", "other", "");
  }
  std::string Path(const std::string& name) const { return directory_.File(name); }
  std::string Read(const std::string& name) const { return ReadWhole(Path(name)); }

 private:
  void Shell(const std::string& command) const {
    const std::string line =
        absl::StrCat("cd ", directory_.path(), " && ", command, " >/dev/null 2>&1");
    REQUIRE(system(line.c_str()) == 0);
  }
  void Authority(const std::string& name) const {
    Shell(
        absl::StrCat("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
                     "-subj /CN=",
                     name, " -keyout ", name, ".key -out ", name, ".pem"));
  }
  void Sign(const std::string& name, const std::string& authority, const std::string& extension) {
    // The forged one claims a name that would be let in.
    const std::string common = name == "forged" ? "operator" : name;
    Shell(absl::StrCat("openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=",
                       common, " -keyout ", name, ".key -out ", name, ".csr"));
    directory_.Write("extensions", extension);
    Shell(absl::StrCat("openssl x509 -req -days 2 -in ", name, ".csr -CA ", authority,
                       ".pem -CAkey ", authority, ".key -CAcreateserial -extfile extensions -out ",
                       name, ".pem"));
  }
  TestDirectory directory_;
};

ApiOptions Tls(const Certificates& certificates) {
  return {.listen = "127.0.0.1:0",
          .tls_cert = certificates.Path("server.pem"),
          .tls_key = certificates.Path("server.key"),
          .tls_client_ca = certificates.Path("ca.pem"),
          .access = {.read_names = {"looker"}, .write_names = {"operator"}}};
}

// Over TLS, with this client's certificate; with none if the name is empty.
std::shared_ptr<grpc::Channel> Connect(const Certificates& certificates, TestApi& daemon,
                                       const std::string& client) {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = certificates.Read("ca.pem");
  if (!client.empty()) {
    options.pem_cert_chain = certificates.Read(client + ".pem");
    options.pem_private_key = certificates.Read(client + ".key");
  }
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", daemon.server().tcp_port()),
                                   grpc::SslCredentials(options), arguments);
}

TEST_CASE("clients over TLS get what their certificates may") {
  const Certificates certificates;
  TestApi daemon(TestYaml(), Tls(certificates));
  REQUIRE(daemon.server().tcp_port() > 0);
  const auto connect = [&](const std::string& client) {
    return v1::Guideway::NewStub(Connect(certificates, daemon, client));
  };
  const auto read = [&](const std::string& client, v1::GetConfigResponse* config) {
    grpc::ClientContext context;
    return connect(client)->GetConfig(&context, {}, config).error_code();
  };
  const auto write = [&](const std::string& client) {
    grpc::ClientContext context;
    v1::SetBackendRequest request;
    request.set_pool("web");
    request.set_backend("web-1");
    request.set_weight(9);
    v1::ApplyResponse response;
    return connect(client)->SetBackend(&context, request, &response).error_code();
  };
  v1::GetConfigResponse config;
  CHECK(read("operator", &config) == grpc::StatusCode::OK);
  CHECK(config.config().flow_hash_secret() == "0123456789abcdef");
  CHECK(read("looker", &config) == grpc::StatusCode::OK);
  CHECK(config.config().flow_hash_secret() == "(hidden)");
  CHECK(config.config().pools_size() == 2);
  CHECK(read("also-looker", &config) == grpc::StatusCode::OK);
  CHECK(read("stranger", &config) == grpc::StatusCode::PERMISSION_DENIED);
  CHECK(read("forged", &config) == grpc::StatusCode::UNAVAILABLE);
  CHECK(read("", &config) == grpc::StatusCode::UNAVAILABLE);
  CHECK(write("looker") == grpc::StatusCode::PERMISSION_DENIED);
  CHECK(write("stranger") == grpc::StatusCode::PERMISSION_DENIED);
  CHECK(daemon.store().config().pools(0).backends(0).weight() == 100);
  CHECK(write("operator") == grpc::StatusCode::OK);
  CHECK(daemon.store().config().pools(0).backends(0).weight() == 9);
  CHECK(daemon.Run({"status"}).exit_code == 0);  // the Unix socket is as before
}

// What an empty request to any method gives, whether it streams or not.
grpc::StatusCode CallEmpty(const std::shared_ptr<grpc::Channel>& channel,
                           const google::protobuf::MethodDescriptor& method) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
  grpc::CompletionQueue queue;
  void* tag = nullptr;
  bool ok = false;
  const auto call = stub.PrepareCall(
      &context, absl::StrCat("/", method.service()->full_name(), "/", method.name()), &queue);
  call->StartCall(nullptr);
  queue.Next(&tag, &ok);
  const grpc::Slice nothing;
  call->WriteLast(grpc::ByteBuffer(&nothing, 1), grpc::WriteOptions(), nullptr);
  queue.Next(&tag, &ok);
  grpc::Status status;
  call->Finish(&status, nullptr);
  queue.Next(&tag, &ok);
  return status.error_code();
}

TEST_CASE(
    "every method asks who calls, and those not known to only tell want the right to change") {
  const std::set<std::string> telling = {"GetConfig",  "GetState",    "GetStatus", "GetStats",
                                         "GetHistory", "ExplainFlow", "Watch"};
  const Certificates certificates;
  TestApi daemon(TestYaml(), Tls(certificates));
  const auto stranger = Connect(certificates, daemon, "stranger");
  const auto looker = Connect(certificates, daemon, "looker");
  const google::protobuf::ServiceDescriptor* service =
      google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(
          v1::Guideway::service_full_name());
  REQUIRE(service != nullptr);
  size_t told = 0;
  for (int i = 0; i < service->method_count(); ++i) {
    const google::protobuf::MethodDescriptor& method = *service->method(i);
    CAPTURE(method.name());
    CHECK(CallEmpty(stranger, method) == grpc::StatusCode::PERMISSION_DENIED);
    if (telling.contains(std::string(method.name()))) {
      ++told;
    } else {
      CHECK(CallEmpty(looker, method) == grpc::StatusCode::PERMISSION_DENIED);
    }
  }
  CHECK(told == telling.size());
}

TEST_CASE("TCP without the three files, or with wrong ones, is named; the socket is served") {
  const Certificates certificates;
  TestApi daemon;
  const std::string socket = daemon.directory().File("other.sock");
  const auto problem = [&](auto change) {
    ApiOptions options = Tls(certificates);
    change(&options);
    const auto server = ApiServer::Start(socket, &daemon.store(), {}, options);
    REQUIRE(server.ok());
    CHECK((*server)->tcp_port() == 0);
    CHECK(std::filesystem::is_socket(socket));
    REQUIRE((*server)->problems().size() == 1);
    return (*server)->problems()[0];
  };
  CHECK(problem([](ApiOptions* o) { o->tls_cert.clear(); }) == "--listen needs --tls_cert");
  CHECK(problem([](ApiOptions* o) { o->tls_key.clear(); }) == "--listen needs --tls_key");
  CHECK(problem([](ApiOptions* o) { o->tls_client_ca.clear(); }) ==
        "--listen needs --tls_client_ca");
  CHECK(absl::StrContains(problem([](ApiOptions* o) { o->tls_key = "/nonexistent"; }),
                          "--tls_key: /nonexistent: No such file"));
  CHECK(absl::StrContains(problem([](ApiOptions* o) { o->tls_key = "/etc/passwd"; }),
                          "is not a PEM file"));
  CHECK(absl::StrContains(problem([](ApiOptions* o) { o->listen = "192.0.2.77:1"; }),
                          "--listen 192.0.2.77:1: cannot listen there"));
  // Names would be asked for on the event loop, every five seconds.
  for (const char* name : {"localhost:0", "127.0.0.1:https", "localhost", "127.0.0.1:"}) {
    CAPTURE(name);
    CHECK(absl::StrContains(problem([name](ApiOptions* o) { o->listen = name; }),
                            absl::StrCat(name, ": is not ADDRESS:PORT")));
  }
  for (const Misplaced& thing : AllMisplaced()) {
    const std::string path = daemon.directory().File("misplaced.pem");
    CAPTURE(thing.name);
    thing.put(path);
    CHECK(absl::StrContains(problem([&](ApiOptions* o) { o->tls_cert = path; }), "--tls_cert"));
    std::filesystem::remove(path);
  }
}

TEST_CASE("what could not be listened on is tried again") {
  const Certificates certificates;
  TestApi daemon;
  ApiOptions options = Tls(certificates);
  const std::string key = options.tls_key;
  options.tls_key = daemon.directory().File("late.pem");
  const std::string socket = daemon.directory().Write("late.sock", "a file");
  const auto server = ApiServer::Start(socket, &daemon.store(), {}, options);
  REQUIRE(server.ok());
  (*server)->ListenAgain();
  REQUIRE((*server)->problems().size() == 2);
  CHECK(absl::StrContains((*server)->problems()[0], "something that is not a socket is there"));
  std::filesystem::remove(socket);
  std::filesystem::create_symlink(key, options.tls_key);
  (*server)->ListenAgain();
  CHECK((*server)->problems().empty());
  CHECK((*server)->tcp_port() != 0);
  CHECK(std::filesystem::is_socket(socket));
}

}  // namespace
}  // namespace guideway
