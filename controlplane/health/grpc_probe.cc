// The gRPC probe: one call of grpc.health.v1.Health/Check over HTTP/2.
//
// By libcurl and not by a gRPC client, which would bring threads and a completion queue of its own:
// the call is one short message each way ("gRPC over HTTP2": length-prefixed messages, status in
// the trailers; grpc/health/v1/health.proto for the messages).
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "controlplane/health/curl_loop.h"
#include "lib/net/big_endian.h"

namespace guideway {
namespace {

constexpr char kPath[] = "/grpc.health.v1.Health/Check";
constexpr size_t kPrefixBytes = 5;  // compressed or not, length

// HealthCheckRequest: field 1, the service's name, of at most 200 bytes.
std::string RequestMessage(const std::string& service) {
  std::string message;
  if (!service.empty()) {
    message.push_back(1 << 3 | 2);
    if (service.size() >= 0x80) {
      message.push_back(static_cast<char>((service.size() & 0x7f) | 0x80));
      message.push_back(static_cast<char>(service.size() >> 7));
    } else {
      message.push_back(static_cast<char>(service.size()));
    }
    message += service;
  }
  // Not compressed; the length fits into the last byte.
  const std::string framed = {0, 0, 0, 0, static_cast<char>(message.size())};
  return framed + message;
}

// HealthCheckResponse: field 1, the status, a small varint; absent means 0. -1 if it is no such
// message.
int StatusOf(const std::string& body) {
  if (body.size() < kPrefixBytes || body[0] != 0) return -1;
  const std::string message = body.substr(kPrefixBytes);
  if (message.empty()) return 0;
  if (message.size() < 2 || message[0] != 1 << 3 || message[1] < 0) return -1;
  return message[1];
}

const char* NameOf(int status) {
  switch (status) {
    case 0:
      return "UNKNOWN";
    case 1:
      return "SERVING";
    case 2:
      return "NOT_SERVING";
    case 3:
      return "SERVICE_UNKNOWN";
    default:
      return "no health status";
  }
}

class GrpcProbe : public CurlProbe {
 public:
  GrpcProbe(CurlLoop* curl, const ProbeRequest& request, ProbeDone done)
      : CurlProbe(curl, request, kPath, std::move(done)) {
    const std::string message = RequestMessage(request_.grpc_service);
    curl_easy_setopt(easy_, CURLOPT_HTTP_VERSION,
                     uses_tls() ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE, static_cast<long>(message.size()));
    curl_easy_setopt(easy_, CURLOPT_COPYPOSTFIELDS, message.data());
    curl_easy_setopt(easy_, CURLOPT_HEADERFUNCTION, &GrpcProbe::OnHeader);
    curl_easy_setopt(easy_, CURLOPT_HEADERDATA, this);
    AddHeader("Content-Type: application/grpc");
    AddHeader("TE: trailers");
    Start();
  }

 private:
  // Headers and trailers alike, a line at a time.
  static size_t OnHeader(char* data, size_t size, size_t count, void* user) {
    auto* probe = static_cast<GrpcProbe*>(user);
    absl::string_view line(data, size * count);
    if (absl::ConsumePrefix(&line, "grpc-status:")) {
      if (!absl::SimpleAtoi(line, &probe->grpc_status_)) probe->grpc_status_ = kNoStatus;
    } else if (absl::ConsumePrefix(&line, "grpc-message:")) {
      probe->grpc_message_ = std::string(absl::StripAsciiWhitespace(line));
    }
    return size * count;
  }

  // A server that refuses a call resets the stream after its status.
  bool HasAnswer() const override { return grpc_status_ != kNoStatus; }

  ProbeResult Judge(long http_status) override {
    if (http_status != 200) {
      return {ProbeResult::Outcome::kFailure, absl::StrCat("HTTP status ", http_status)};
    }
    if (grpc_status_ == kNoStatus) {
      return {ProbeResult::Outcome::kFailure, "answer without a gRPC status"};
    }
    if (grpc_status_ != 0) {
      return {ProbeResult::Outcome::kFailure,
              absl::StrCat("gRPC status ", grpc_status_, grpc_message_.empty() ? "" : ": ",
                           grpc_message_.substr(0, 200))};
    }
    const int status = StatusOf(body_);
    return {status == 1 ? ProbeResult::Outcome::kSuccess : ProbeResult::Outcome::kFailure,
            NameOf(status)};
  }

  static constexpr int kNoStatus = -1;
  int grpc_status_ = kNoStatus;
  std::string grpc_message_;
};

}  // namespace

std::unique_ptr<Probe> StartGrpcProbe(CurlLoop* curl, const ProbeRequest& request, ProbeDone done) {
  return std::make_unique<GrpcProbe>(curl, request, std::move(done));
}

}  // namespace guideway
