// The CLI's side of the API: one call at a time over the Unix socket.
#ifndef GUIDEWAY_CONTROLPLANE_CLI_CLIENT_H_
#define GUIDEWAY_CONTROLPLANE_CLI_CLIENT_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "controlplane/api/guideway_service.grpc.pb.h"

namespace guideway::cli {

class Client {
 public:
  explicit Client(std::string socket_path) : socket_path_(std::move(socket_path)) {}
  const std::string& socket_path() const { return socket_path_; }

  // UNAVAILABLE if the daemon cannot be reached or does not answer in time, with the reason and the
  // socket; else what the daemon says.
  template <typename Request, typename Response>
  absl::Status Call(grpc::Status (v1::Guideway::Stub::*method)(grpc::ClientContext*, const Request&,
                                                               Response*),
                    const Request& request, Response* response) {
    const absl::Status connected = Connect();
    if (!connected.ok()) return connected;
    grpc::ClientContext context;
    SetDeadline(&context);
    const grpc::Status status = (stub_.get()->*method)(&context, request, response);
    return Convert(status, context);
  }

  // Reads a stream until it ends, which is an error, or until `take` returns false.
  template <typename Request, typename Response, typename Take>
  absl::Status Stream(std::unique_ptr<grpc::ClientReader<Response>> (v1::Guideway::Stub::*method)(
                          grpc::ClientContext*, const Request&),
                      const Request& request, Take take) {
    const absl::Status connected = Connect();
    if (!connected.ok()) return connected;
    grpc::ClientContext context;
    const auto reader = (stub_.get()->*method)(&context, request);
    Response response;
    while (reader->Read(&response)) {
      if (take(response)) continue;
      context.TryCancel();
      reader->Finish().IgnoreError();
      return absl::OkStatus();
    }
    return Convert(reader->Finish(), context);
  }

 private:
  absl::Status Connect();
  absl::Status Convert(const grpc::Status& status, const grpc::ClientContext& context) const;
  static void SetDeadline(grpc::ClientContext* context);

  const std::string socket_path_;
  std::unique_ptr<v1::Guideway::Stub> stub_;
};

}  // namespace guideway::cli

#endif  // GUIDEWAY_CONTROLPLANE_CLI_CLIENT_H_
