// See client.h.
#include "controlplane/cli/client.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "lib/base/unique_fd.h"

namespace guideway::cli {

namespace {

constexpr int kMaxMessageBytes = 16 << 20;  // as the server's
constexpr std::chrono::seconds kPatience{10};

absl::Status Unreachable(const std::string& socket_path, const std::string& reason) {
  return absl::UnavailableError(absl::StrCat("cannot reach guideway-controlplane at ", socket_path,
                                             ": ", reason,
                                             " (is it running? --socket names another socket)"));
}

absl::Status NoAnswer(const std::string& socket_path) {
  return absl::UnavailableError(absl::StrCat("guideway-controlplane at ", socket_path,
                                             " does not answer within ", kPatience.count(),
                                             " s (is it stopped or stuck?)"));
}

}  // namespace

absl::Status Client::Connect() {
  if (stub_ != nullptr) return absl::OkStatus();
  // A connection of our own first: gRPC does not tell why it cannot connect.
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (socket_path_.empty() || socket_path_.size() >= sizeof(address.sun_path)) {
    return Unreachable(socket_path_, "the path is empty or too long for a Unix socket");
  }
  memcpy(address.sun_path, socket_path_.c_str(), socket_path_.size());
  const UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  // A hung daemon's backlog may be full; then connecting must not wait for ever either.
  const timeval patience = {.tv_sec = kPatience.count(), .tv_usec = 0};
  if (!probe.valid() ||
      setsockopt(probe.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) != 0 ||
      connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return errno == EAGAIN ? NoAnswer(socket_path_) : Unreachable(socket_path_, strerror(errno));
  }
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_MAX_METADATA_SIZE, 64 << 10);  // long messages of refused changes
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  stub_ = v1::Guideway::NewStub(grpc::CreateCustomChannel(
      "unix:" + socket_path_, grpc::InsecureChannelCredentials(), arguments));
  return absl::OkStatus();
}

void Client::SetDeadline(grpc::ClientContext* context) {
  context->set_deadline(std::chrono::system_clock::now() + kPatience);
}

absl::Status Client::Convert(const grpc::Status& status, const grpc::ClientContext& context) const {
  if (status.ok()) return absl::OkStatus();
  // The daemon has deadlines of its own, which are shorter and whose message is its own.
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED &&
      std::chrono::system_clock::now() >= context.deadline()) {
    return NoAnswer(socket_path_);
  }
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    return Unreachable(socket_path_, status.error_message());
  }
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

}  // namespace guideway::cli
