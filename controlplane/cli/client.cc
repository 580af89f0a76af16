// See client.h.
#include "controlplane/cli/client.h"

#include <sys/socket.h>
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
  if (!probe.valid() ||
      connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return Unreachable(socket_path_, strerror(errno));
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

absl::Status Client::Convert(const grpc::Status& status) const {
  if (status.ok()) return absl::OkStatus();
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    return Unreachable(socket_path_, status.error_message());
  }
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

}  // namespace guideway::cli
