// See server.h.
#include "controlplane/server/server.h"

#include <glog/logging.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/server_posix.h>
#include <sys/stat.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/match.h"
#include "controlplane/server/socket_path.h"
#include "lib/base/status.h"
#include "lib/base/unique_fd.h"

namespace guideway {

namespace {

absl::StatusOr<std::string> ReadPem(const std::string& path, const char* flag) {
  if (path.empty()) return absl::InvalidArgumentError(absl::StrCat("--listen needs ", flag));
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  if (!file.good() && !file.eof()) return ErrnoStatus(errno, absl::StrCat(flag, " ", path));
  if (!absl::StrContains(text.str(), "-----BEGIN ")) {
    return absl::InvalidArgumentError(absl::StrCat(flag, " ", path, ": is not a PEM file"));
  }
  return text.str();
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

ApiServer::ApiServer(ConfigStore* store, ServiceHooks hooks, Access access)
    : access_(std::move(access)), service_(store, &peers_, &access_, std::move(hooks)) {}

absl::StatusOr<std::unique_ptr<ApiServer>> ApiServer::Start(const std::string& socket_path,
                                                            ConfigStore* store, ServiceHooks hooks,
                                                            const ApiOptions& options) {
  GW_ASSIGN_OR_RETURN(Access access, Access::Create(options.access));
  GW_RETURN_IF_ERROR(ClearSocketPath(socket_path));
  std::unique_ptr<ApiServer> server(new ApiServer(store, std::move(hooks), std::move(access)));
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  if (!options.listen.empty()) {
    GW_ASSIGN_OR_RETURN(const auto credentials, MutualTls(options));
    builder.AddListeningPort(options.listen, credentials, &server->tcp_port_);
  }
  builder.SetMaxReceiveMessageSize(kMaxApiMessageBytes);
  builder.SetMaxSendMessageSize(kMaxApiMessageBytes);
  grpc::ResourceQuota quota("api");
  quota.SetMaxThreads(16);
  builder.SetResourceQuota(quota);
  builder.RegisterService(&server->service_);
  server->server_ = builder.BuildAndStart();
  if (!options.listen.empty() && (server->server_ == nullptr || server->tcp_port_ == 0)) {
    return absl::UnavailableError(
        absl::StrCat("--listen ", options.listen, ": cannot listen there with these certificates"));
  }
  if (server->server_ == nullptr) {
    return absl::UnavailableError("socket " + socket_path + ": the API cannot be served");
  }
  GW_ASSIGN_OR_RETURN(server->listener_,
                      UnixListener::Start(socket_path, [raw = server.get()](UniqueFd connection) {
                        raw->Serve(std::move(connection));
                      }));
  // Groups are checked at every call: they need not be that of the socket.
  if (server->access_.has_groups() && chmod(socket_path.c_str(), 0666) != 0) {
    return ErrnoStatus(errno, "socket " + socket_path);
  }
  return server;
}

void ApiServer::Serve(UniqueFd connection) {
  auto registered = peers_.Register(std::move(connection));
  if (!registered.ok()) {
    LOG(ERROR) << "API: " << registered.status().message();
    return;
  }
  grpc::AddInsecureChannelFromFd(server_.get(), registered->release());
}

ApiServer::~ApiServer() {
  listener_.reset();
  if (server_ == nullptr) return;
  service_.watch_hub()->Stop();
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
  server_->Wait();
}

}  // namespace guideway
