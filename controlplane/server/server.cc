// See server.h.
#include "controlplane/server/server.h"

#include <glog/logging.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/server_posix.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <chrono>
#include <cstring>
#include <utility>

#include "controlplane/state_file.h"
#include "lib/base/status.h"
#include "lib/base/unique_fd.h"

namespace guideway {

namespace {

// Clears the way for a socket at `path`. gRPC would replace any socket, also one in use.
absl::Status ClearSocketPath(const std::string& path) {
  const std::string place = "socket " + path;
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat(place, ": the path must have from 1 to ",
                                                   sizeof(address.sun_path) - 1, " bytes"));
  }
  memcpy(address.sun_path, path.c_str(), path.size());
  if (const size_t slash = path.rfind('/'); slash != std::string::npos && slash > 0) {
    GW_RETURN_IF_ERROR(Annotate(MakeDirectories(path.substr(0, slash)), place));
  }
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) {
    return errno == ENOENT ? absl::OkStatus() : ErrnoStatus(errno, place);
  }
  if (!S_ISSOCK(info.st_mode)) {
    return absl::FailedPreconditionError(place + ": something that is not a socket is there");
  }
  UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe.valid()) return ErrnoStatus(errno, place);
  const int result =
      connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  if (result == 0 || errno == EAGAIN) {  // EAGAIN: alive, with a full backlog
    ucred peer = {};
    socklen_t size = sizeof(peer);
    if (result != 0 || getsockopt(probe.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
      peer.pid = 0;
    }
    return absl::FailedPreconditionError(
        peer.pid > 0 ? absl::StrCat(place, ": process ", peer.pid, " is listening on it")
                     : absl::StrCat(place, ": another process is listening on it"));
  }
  if (errno != ECONNREFUSED) return ErrnoStatus(errno, place);
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return ErrnoStatus(errno, place);
  return absl::OkStatus();
}

}  // namespace

ApiServer::ApiServer(ConfigStore* store, ServiceHooks hooks)
    : service_(store, &peers_, std::move(hooks)) {}

absl::StatusOr<std::unique_ptr<ApiServer>> ApiServer::Start(const std::string& socket_path,
                                                            ConfigStore* store,
                                                            ServiceHooks hooks) {
  GW_RETURN_IF_ERROR(ClearSocketPath(socket_path));
  std::unique_ptr<ApiServer> server(new ApiServer(store, std::move(hooks)));
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(kMaxApiMessageBytes);
  builder.SetMaxSendMessageSize(kMaxApiMessageBytes);
  grpc::ResourceQuota quota("api");
  quota.SetMaxThreads(16);
  builder.SetResourceQuota(quota);
  builder.RegisterService(&server->service_);
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr) {
    return absl::UnavailableError("socket " + socket_path + ": the API cannot be served");
  }
  GW_ASSIGN_OR_RETURN(server->listener_,
                      UnixListener::Start(socket_path, [raw = server.get()](UniqueFd connection) {
                        raw->Serve(std::move(connection));
                      }));
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
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
  server_->Wait();
}

}  // namespace guideway
