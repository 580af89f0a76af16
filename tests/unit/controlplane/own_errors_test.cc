// Whatever this host cannot do, no probe of any kind puts down to the backend: each errno at each
// call of each kind. And what only a socket can tell: who has sent an ICMP error.
#include <grpcpp/ext/health_check_service_server_builder_option.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>
#include <linux/if.h>
#include <sched.h>
#include <sys/ioctl.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "controlplane/descriptor_shares.h"
#include "controlplane/health/blame.h"
#include "controlplane/health/probe_gate.h"
#include "tests/unit/controlplane/closed_port.h"
#include "tests/unit/controlplane/injection.h"
#include "tests/unit/controlplane/local_server.h"
#include "tests/unit/controlplane/loop_thread.h"
#include "tests/unit/controlplane/probe_runner.h"
#include "tests/unit/controlplane/tls_server.h"

namespace guideway {
namespace {

using Outcome = ProbeResult::Outcome;

// What is this host's, whichever call returns it. EHOSTUNREACH and ENETUNREACH: no route.
constexpr int kOwnErrors[] = {EPERM,      EACCES,       EMFILE,         ENFILE,       ENOMEM,
                              ENOBUFS,    ENETDOWN,     ENETUNREACH,    EHOSTUNREACH, EADDRNOTAVAIL,
                              EADDRINUSE, EAFNOSUPPORT, EINVAL,         ENODEV,       EIO,
                              EMSGSIZE,   ENOSPC,       EPROTONOSUPPORT};

// As probes through the tunnel have it: the socket is bound to an address first.
struct BoundPath : ProbePath {
  absl::Status Prepare(int socket) override {
    ProbeRequest request;
    request.source = *IpAddress::Parse("127.0.0.1");
    return PrepareSocket(request, socket);
  }
  absl::Status Check() override { return absl::OkStatus(); }
};

// Servers that answer every kind well, on threads of their own.
class Servers {
 public:
  Servers() {
    http_thread_.On([&] {
      http_ = std::make_unique<LocalServer>(http_thread_.loop(),
                                            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
      udp_.reset(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0));
      sockaddr_in local{};
      local.sin_family = AF_INET;
      local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      socklen_t size = sizeof(local);
      REQUIRE(bind(udp_.get(), reinterpret_cast<sockaddr*>(&local), sizeof(local)) == 0);
      REQUIRE(getsockname(udp_.get(), reinterpret_cast<sockaddr*>(&local), &size) == 0);
      udp_port_ = ntohs(local.sin_port);
      http_thread_.loop()->Watch(udp_.get(), EPOLLIN, [this](uint32_t) { Echo(); });
    });
    const std::string command = absl::StrCat(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj /CN=tls.test -addext subjectAltName=DNS:tls.test -keyout ",
        directory_.File("key"), " -out ", certificate(), " 2>/dev/null");
    REQUIRE(std::system(command.c_str()) == 0);
    https_ = std::make_unique<TlsServer>(certificate(), directory_.File("key"));
    grpc::EnableDefaultHealthCheckService(true);
    grpc::SslServerCredentialsOptions options;
    options.pem_key_cert_pairs.push_back({Read("key"), Read("certificate")});
    grpc::ServerBuilder builder;
    builder.RegisterCallbackGenericService(&nothing_);
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &grpc_port_);
    builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(options), &grpcs_port_);
    grpc_ = builder.BuildAndStart();
    REQUIRE(grpc_ != nullptr);
  }
  ~Servers() {
    http_thread_.On([&] {
      http_.reset();
      http_thread_.loop()->Unwatch(udp_.get());
    });
  }
  std::string certificate() const { return directory_.File("certificate"); }

  ProbeRequest RequestOf(ProbeKind kind) const {
    uint16_t port = http_->port();
    if (kind == ProbeKind::kUdp) port = udp_port_;
    if (kind == ProbeKind::kGrpc) port = static_cast<uint16_t>(grpc_port_);
    if (kind == ProbeKind::kGrpcs) port = static_cast<uint16_t>(grpcs_port_);
    if (kind == ProbeKind::kHttps) port = https_->port();
    if (kind == ProbeKind::kIcmp || kind == ProbeKind::kExec) port = 0;
    ProbeRequest request = Request(kind, port);
    request.timeout = absl::Seconds(4);
    request.tls_ca_file = certificate();
    request.tls_name = "tls.test";
    request.send = "ask";
    request.command = {"/bin/true"};
    return request;
  }

 private:
  std::string Read(const std::string& name) const {
    std::ifstream file(directory_.File(name));
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  void Echo() {
    char buffer[256];
    sockaddr_in from{};
    socklen_t size = sizeof(from);
    const ssize_t got =
        recvfrom(udp_.get(), buffer, sizeof(buffer), 0, reinterpret_cast<sockaddr*>(&from), &size);
    if (got >= 0) {
      sendto(udp_.get(), buffer, static_cast<size_t>(got), 0, reinterpret_cast<sockaddr*>(&from),
             size);
    }
  }

  const ProbeDirectory directory_;
  LoopThread http_thread_;
  std::unique_ptr<LocalServer> http_;
  UniqueFd udp_;
  uint16_t udp_port_ = 0;
  grpc::CallbackGenericService nothing_;
  int grpc_port_ = 0, grpcs_port_ = 0;
  std::unique_ptr<grpc::Server> grpc_;
  std::unique_ptr<TlsServer> https_;
};

struct Kind {
  ProbeKind kind;
  const char* name;
};

TEST_CASE("own errors: each errno, at each call, of each kind of probe") {
  Servers servers;
  ProbeRunner runner;
  const auto kind = GENERATE(values<Kind>({{ProbeKind::kTcp, "tcp"},
                                           {ProbeKind::kHttp, "http"},
                                           {ProbeKind::kHttps, "https"},
                                           {ProbeKind::kUdp, "udp"},
                                           {ProbeKind::kIcmp, "icmp"},
                                           {ProbeKind::kGrpc, "grpc"},
                                           {ProbeKind::kGrpcs, "grpcs"},
                                           {ProbeKind::kExec, "exec"}}));
  const bool bound = GENERATE(false, true);
  if (bound && (kind.kind == ProbeKind::kExec || kind.kind == ProbeKind::kIcmp ||
                kind.kind == ProbeKind::kUdp)) {
    return;
  }
  ProbeRequest request = servers.RequestOf(kind.kind);
  if (bound) request.via = std::make_shared<BoundPath>();
  const ProbeResult well = runner.Run(request);
  INFO(kind.name << (bound ? ", bound: " : ": ") << well.reason);
  REQUIRE(well.outcome == Outcome::kSuccess);
  int injected = 0, seen = 0;
  for (const std::string& call : InjectableCalls()) {
    for (const int error : kOwnErrors) {
      // ICMP errors of the network reach recv() as these, and no lack of a route does.
      const bool ambiguous = error == EACCES || error == EHOSTUNREACH || error == ENETUNREACH;
      if (ambiguous && absl::StartsWith(call, "recv")) continue;
      // Each call of the name in turn, until the probe makes no more of them.
      for (int nth = 1; nth < 40; ++nth) {
        runner.thread.On([&] { Inject({call, nth, error}); });
        const ProbeResult result = runner.Run(request);
        bool was_injected = false;
        runner.thread.On([&] { was_injected = EndInjection(); });
        if (!was_injected) break;
        ++injected;
        INFO(call << " number " << nth << " fails with " << strerrorname_np(error) << ": "
                  << result.reason);
        // Some calls may fail and nothing comes of it.
        CHECK(result.outcome != Outcome::kFailure);
        seen += result.outcome == Outcome::kNotRun ? 1 : 0;
      }
    }
  }
  CHECK(injected > 30);
  CHECK(seen > 15);
}

TEST_CASE("own errors: what the other end says is still a failure") {
  const auto kind = GENERATE(ProbeKind::kTcp, ProbeKind::kHttp, ProbeKind::kUdp, ProbeKind::kGrpc);
  const ClosedPort closed;
  ProbeRunner runner;
  ProbeRequest request = Request(kind, closed.port);
  request.send = "ask";
  const ProbeResult result = runner.Run(request);
  CHECK(result.outcome == Outcome::kFailure);
  CHECK(absl::StrContains(result.reason, "Connection refused"));
}

TEST_CASE("own errors: exec, what says that the program could not do its work") {
  ProbeRunner runner;
  struct Row {
    std::string script;
    Outcome outcome;
  };
  const auto row = GENERATE(values<Row>({{"kill -KILL $$", Outcome::kNotRun},
                                         {"kill -SEGV $$", Outcome::kNotRun},
                                         {"kill -ALRM $$", Outcome::kFailure},
                                         {"/no/such/program", Outcome::kNotRun},
                                         {"/etc/passwd", Outcome::kNotRun},
                                         {"exit 1", Outcome::kFailure}}));
  ProbeRequest request = Request(ProbeKind::kExec, 0);
  request.command = {"/bin/sh", "-c", row.script};
  const ProbeResult result = runner.Run(request);
  INFO(row.script << " -> " << result.reason);
  CHECK(result.outcome == row.outcome);
}

// Runs `ip`, `nft` and the like in the namespace of the runner's thread.
void Shell(ProbeRunner* runner, const std::string& command) {
  int status = -1;
  runner->thread.On([&] { status = std::system((command + " 2>&1").c_str()); });
  INFO(command);
  REQUIRE(status == 0);
}

TEST_CASE("own errors: no route, own firewall, dead neighbour, dead link are told apart") {
  bool entered = false;
  ProbeRunner runner([&entered] { entered = unshare(CLONE_NEWNET) == 0; });
  runner.thread.On([] {});
  if (!entered) {
    WARN("needs the right to make a network namespace");
    return;
  }
  Shell(&runner,
        "ip link set lo up; ip link add va type veth peer name vb; ip link set vb up; "
        "ip link set va up; ip addr add 10.9.0.1/24 dev va; "
        "ip -6 addr add 2001:db8:9::1/64 dev va nodad; "
        "ip route add unreachable 10.9.1.0/24; ip route add prohibit 10.9.2.0/24; "
        "ip route add blackhole 10.9.3.0/24");
  const auto run = [&](ProbeKind kind, const std::string& address, int timeout_ms = 4000) {
    ProbeRequest request = Request(kind, kind == ProbeKind::kIcmp ? 0 : 80, address);
    request.send = "ask";
    request.timeout = absl::Milliseconds(timeout_ms);
    return runner.Run(request);
  };
  const auto kinds = {ProbeKind::kTcp, ProbeKind::kHttp, ProbeKind::kUdp, ProbeKind::kIcmp};
  for (const ProbeKind kind : kinds) {
    for (const char* address :
         {"192.0.2.1", "10.9.1.1", "10.9.2.1", "10.9.3.1", "2001:db8:77::1"}) {
      const ProbeResult result = run(kind, address);
      INFO(LabelOf(Request(kind, 0)) << " " << address << ": " << result.reason);
      CHECK(result.outcome == Outcome::kNotRun);
    }
  }
  // Nobody on the segment says that it is 10.9.0.2: that is the backend's silence.
  for (const ProbeKind kind : {ProbeKind::kTcp, ProbeKind::kHttp}) {
    for (const char* address : {"10.9.0.2", "2001:db8:9::2"}) {
      const ProbeResult result = run(kind, address);
      INFO(address << ": " << result.reason);
      CHECK(result.outcome == Outcome::kFailure);
    }
  }
  Shell(&runner,
        "nft 'add table inet t; add chain inet t o { type filter hook output priority 0; "
        "}; add rule inet t o tcp dport 80 ip daddr 10.9.0.2 reject; "
        "add rule inet t o tcp dport 80 ip daddr 10.9.0.3 reject with icmp type "
        "admin-prohibited; add rule inet t o udp dport 80 drop; "
        "add rule inet t o icmp type echo-request drop'");
  Shell(&runner,
        "ip neigh replace 10.9.0.2 lladdr 02:00:00:00:00:02 dev va; "
        "ip neigh replace 10.9.0.3 lladdr 02:00:00:00:00:03 dev va");
  for (const ProbeKind kind : kinds) {
    for (const char* address : {"10.9.0.2", "10.9.0.3"}) {
      const ProbeResult result = run(kind, address);
      INFO(LabelOf(Request(kind, 0)) << " " << address << ": " << result.reason);
      CHECK(result.outcome == Outcome::kNotRun);
    }
  }
  Shell(&runner, "nft delete table inet t; ip link set vb down");
  for (const ProbeKind kind : kinds) {
    for (const bool silent : {false, true}) {
      ProbeRequest request = Request(kind, kind == ProbeKind::kIcmp ? 0 : 80, "10.9.0.3");
      request.send = "ask";
      request.silent = silent;
      request.timeout = absl::Milliseconds(300);
      const ProbeResult result = runner.Run(request);
      INFO(LabelOf(request) << ": " << result.reason);
      CHECK(result.outcome == Outcome::kNotRun);
      CHECK(absl::StrContains(result.reason, "va has no carrier"));
    }
  }
}

TEST_CASE("descriptors: each has a share, and probes beyond theirs wait") {
  const DescriptorShares shares = DescriptorShares::Of(1024);
  CHECK(shares.probes == 512);
  CHECK(shares.api_connections == 128);
  CHECK(DescriptorShares::Of(524288).api_connections == 1024);
  CHECK(DescriptorShares::Of(8).probes == 4);
  LoopThread thread;
  std::unique_ptr<ProbeGate> gate;
  std::vector<std::shared_ptr<ProbeGate::Pass>> passes;
  std::vector<std::shared_ptr<void>> tickets;
  thread.On([&] {
    gate = std::make_unique<ProbeGate>(thread.loop(), 3);
    for (int i = 0; i < 5; ++i) {
      tickets.push_back(gate->Ask(ProbeGate::kNetwork, [&](std::shared_ptr<ProbeGate::Pass> pass) {
        passes.push_back(std::move(pass));
      }));
    }
    CHECK(passes.size() == 3);
  });
  // They do not age, as those that only wait for a backend do.
  CHECK_FALSE(thread.Await([&] { return passes.size() > 3; }, ProbeGate::kYoung * 2));
  thread.On([&] { passes.pop_back(); });
  CHECK(thread.Await([&] { return passes.size() == 3; }));
  thread.On([&] {
    passes.clear();
    tickets.clear();
    gate.reset();
  });
}

}  // namespace
}  // namespace guideway
