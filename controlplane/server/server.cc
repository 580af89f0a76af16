// See server.h.
#include "controlplane/server/server.h"

#include <glog/logging.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/server_posix.h>
#include <sys/stat.h>

#include <chrono>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "controlplane/descriptor_shares.h"
#include "controlplane/report/problem.h"
#include "controlplane/server/socket_path.h"
#include "controlplane/server/tcp_listener.h"
#include "lib/base/regular_file.h"
#include "lib/base/status.h"
#include "lib/base/unique_fd.h"

namespace guideway {

namespace {

constexpr size_t kMaxPemBytes = 1 << 20;
// Who has connected and proves nothing, or asks nothing, makes room for others after so long.
constexpr int kHandshakeMs = 10'000;
constexpr int kIdleMs = 600'000;
// What the end waits for running calls.
constexpr std::chrono::milliseconds kEndPatience{200};
// So long after a connection was refused the problem is named.
constexpr absl::Duration kRefusalsShown = absl::Minutes(1);

absl::StatusOr<std::string> ReadPem(const std::string& path, const char* flag) {
  if (path.empty()) return absl::InvalidArgumentError(absl::StrCat("--listen needs ", flag));
  absl::StatusOr<std::string> text = ReadRegularFile(path, {.max_bytes = kMaxPemBytes});
  if (!text.ok()) return Annotate(text.status(), flag);
  if (!absl::StrContains(*text, "-----BEGIN ")) {
    return absl::InvalidArgumentError(absl::StrCat(flag, " ", path, ": is not a PEM file"));
  }
  return text;
}

// Only clients with a certificate that the authority has signed come through.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MutualTls(const ApiOptions& options) {
  grpc::SslServerCredentialsOptions tls(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  grpc::SslServerCredentialsOptions::PemKeyCertPair pair;
  GW_ASSIGN_OR_RETURN(pair.cert_chain, ReadPem(options.tls_cert, "--tls_cert"));
  GW_ASSIGN_OR_RETURN(pair.private_key, ReadPem(options.tls_key, "--tls_key"));
  GW_ASSIGN_OR_RETURN(tls.pem_root_certs, ReadPem(options.tls_client_ca, "--tls_client_ca"));
  tls.pem_key_cert_pairs.push_back(pair);
  return grpc::SslServerCredentials(tls);
}

}  // namespace

ApiServer::ApiServer(std::string socket_path, ConfigStore* store, ServiceHooks hooks,
                     const ApiOptions& options)
    : socket_path_(std::move(socket_path)),
      options_(options),
      access_(Access::Create(options.access)),
      service_(store, &peers_, &access_, std::move(hooks)),
      quota_("api") {
  quota_.SetMaxThreads(16);
}

absl::StatusOr<std::unique_ptr<ApiServer>> ApiServer::Start(const std::string& socket_path,
                                                            ConfigStore* store, ServiceHooks hooks,
                                                            const ApiOptions& options) {
  std::unique_ptr<ApiServer> server(new ApiServer(socket_path, store, std::move(hooks), options));
  GW_RETURN_IF_ERROR(Annotate(server->service_.watch_hub()->started(), "API"));
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  server->SetUp(&builder);
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr) {
    return absl::UnavailableError("socket " + socket_path + ": the API cannot be served");
  }
  const absl::Status listening = server->ListenOnSocket();
  if (absl::IsAlreadyExists(listening)) return absl::FailedPreconditionError(listening.message());
  server->socket_problem_ = std::string(listening.message());
  server->tcp_problem_ = std::string(server->ListenOnTcp().message());
  for (const std::string& problem : server->problems()) LOG(ERROR) << "API: " << problem;
  return server;
}

void ApiServer::SetUp(grpc::ServerBuilder* builder) {
  builder->AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeMs);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kIdleMs);
  builder->SetMaxReceiveMessageSize(kMaxApiMessageBytes);
  builder->SetMaxSendMessageSize(kMaxApiMessageBytes);
  builder->SetResourceQuota(quota_);
  builder->RegisterService(&service_);
}

absl::Status ApiServer::ListenOnSocket() {
  listener_.reset();  // one that could not be finished would be in its own way
  GW_RETURN_IF_ERROR(ClearSocketPath(socket_path_));
  GW_ASSIGN_OR_RETURN(
      listener_,
      UnixListener::Start(socket_path_, DescriptorShares::OfThisProcess().api_connections,
                          [this](UniqueFd connection) { return Serve(std::move(connection)); }));
  // Groups are checked at every call: they need not be that of the socket.
  if (access_.has_groups() && chmod(socket_path_.c_str(), 0666) != 0) {
    return ErrnoStatus(errno, "socket " + socket_path_);
  }
  return absl::OkStatus();
}

// A server of its own, since one that runs cannot begin to listen.
absl::Status ApiServer::ListenOnTcp() {
  if (options_.listen.empty()) return absl::OkStatus();
  tcp_listener_.reset();  // as above
  GW_ASSIGN_OR_RETURN(const auto credentials, MutualTls(options_));
  absl::StatusOr<TcpListener> listener = ListenOn(options_.listen);
  if (!listener.ok()) {
    return absl::UnavailableError(
        absl::StrCat("--listen ", options_.listen,
                     ": cannot listen there: ", std::string(listener.status().message())));
  }
  grpc::ServerBuilder builder;
  SetUp(&builder);
  tcp_acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, credentials);
  tcp_server_ = builder.BuildAndStart();
  if (tcp_server_ == nullptr) {
    return absl::UnavailableError(absl::StrCat("--listen ", options_.listen,
                                               ": cannot listen there with these certificates"));
  }
  tcp_port_ = listener->port;
  tcp_listener_ = std::make_unique<AcceptLoop>(
      std::move(listener->socket), DescriptorShares::OfThisProcess().api_connections,
      [this](UniqueFd connection) { return ServeTcp(std::move(connection)); });
  return tcp_listener_->Start();
}

std::vector<std::string> ApiServer::problems() const {
  std::vector<std::string> problems = access_.problems();
  for (const std::string& problem : {socket_problem_, tcp_problem_}) {
    if (!problem.empty()) problems.push_back(problem);
  }
  return problems;
}

void ApiServer::ListenAgain() {
  const auto again = [](std::string* problem, const absl::Status& status) {
    if (status.ok()) LOG(INFO) << "API: served now; was " << *problem;
    *problem = std::string(status.message());
  };
  if (!socket_problem_.empty()) again(&socket_problem_, ListenOnSocket());
  if (!tcp_problem_.empty()) again(&tcp_problem_, ListenOnTcp());
}

void ApiServer::WatchSocket() {
  if (listener_ == nullptr || !socket_problem_.empty()) return;
  switch (listener_->Look()) {
    case UnixListener::Place::kOwn:
      return;
    case UnixListener::Place::kNobodys:
      LOG(WARNING) << "API: socket " << socket_path_ << ": was removed; it is made anew";
      socket_problem_ = std::string(ListenOnSocket().message());
      return;
    case UnixListener::Place::kAnothers:  // who has taken it may be a successor of this process
      socket_problem_ = absl::StrCat("socket ", socket_path_, ": another one has taken its place");
      LOG(ERROR) << "API: " << socket_problem_;
      return;
  }
}

int ApiServer::Serve(UniqueFd connection) {
  auto registered = peers_.Register(std::move(connection));
  if (!registered.ok()) {
    LOG(ERROR) << "API: " << registered.status().message();
    return -1;
  }
  const int number = registered->release();
  grpc::AddInsecureChannelFromFd(server_.get(), number);
  return number;
}

int ApiServer::ServeTcp(UniqueFd connection) {
  grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
  parameters.fd = connection.release();
  const int number = parameters.fd;
  tcp_acceptor_->HandleNewConnection(&parameters);
  return number;
}

void ApiServer::AddRefusals(const std::string& listener, uint64_t count, Refusals* seen,
                            v1::GetStatusResponse* status) {
  if (count != seen->count) *seen = {count, absl::Now()};
  if (absl::Now() - seen->last > kRefusalsShown) return;
  AddProblem(ProblemKind::kApiConnections, listener,
             absl::StrCat("the API refuses connections on ", listener,
                          ": as many as its share of descriptors allows are open"),
             status);
}

void ApiServer::FillStatus(v1::GetStatusResponse* status) {
  if (listener_) AddRefusals("the Unix socket", listener_->refused(), &unix_refusals_, status);
  if (tcp_listener_) AddRefusals(options_.listen, tcp_listener_->refused(), &tcp_refusals_, status);
}

ApiServer::~ApiServer() {
  listener_.reset();
  tcp_listener_.reset();
  if (server_ == nullptr) return;
  service_.watch_hub()->Stop();
  const auto deadline = std::chrono::system_clock::now() + kEndPatience;
  if (tcp_server_ != nullptr) tcp_server_->Shutdown(deadline);
  server_->Shutdown(deadline);
  if (tcp_server_ != nullptr) tcp_server_->Wait();
  server_->Wait();
}

}  // namespace guideway
