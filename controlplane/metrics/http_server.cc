// See http_server.h.
#include "controlplane/metrics/http_server.h"

#include <civetweb.h>

#include <cstring>
#include <string_view>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"

namespace guideway {
namespace {

constexpr char kHeaders[] =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cache-Control: no-store\r\n"
    "Connection: close\r\n";

const char* ReasonPhrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    default:
      return "Service Unavailable";
  }
}

// Without the port.
std::string HostName(const std::string& host) {
  if (!host.empty() && host[0] == '[') return host.substr(1, host.find(']') - 1);
  return host.substr(0, host.find(':'));
}

bool IsAddressOrLocalhost(const std::string& host) {
  const std::string name = HostName(host);
  return absl::EqualsIgnoreCase(name, "localhost") || IpAddress::Parse(name).ok();
}

}  // namespace

absl::StatusOr<HttpAddress> HttpAddress::Parse(const std::string& text) {
  const absl::Status wrong = absl::InvalidArgumentError(
      absl::StrCat("'", text, "' is not ADDRESS:PORT, such as 127.0.0.1:9487 or [::1]:9487"));
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return wrong;
  std::string host = text.substr(0, colon);
  const std::string port = text.substr(colon + 1);
  const bool brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (brackets) host = host.substr(1, host.size() - 2);
  const auto address = IpAddress::Parse(host);
  uint32_t number = 0;
  if (!address.ok() || brackets != (address->family() == IpFamily::kIpv6) || port.empty() ||
      port.find_first_not_of("0123456789") != std::string::npos ||
      !absl::SimpleAtoi(port, &number) || number > 65535) {
    return wrong;
  }
  return HttpAddress{*address, static_cast<uint16_t>(number)};
}

std::string HttpAddress::ToString() const {
  const std::string text = address.ToString();
  return address.family() == IpFamily::kIpv6 ? absl::StrCat("[", text, "]:", port)
                                             : absl::StrCat(text, ":", port);
}

bool HttpAddress::IsLoopback() const {
  const std::string text = address.ToString();
  return text == "::1" || absl::StartsWith(text, "127.");
}

class HttpServer::Impl {
 public:
  Impl(bool loopback, Handler handler) : loopback_(loopback), handler_(std::move(handler)) {}
  ~Impl() {
    if (context_ != nullptr) mg_stop(context_);
  }

  absl::Status Listen(const std::string& address) {
    mg_callbacks callbacks = {};
    callbacks.begin_request = [](mg_connection* connection) {
      const auto* info = mg_get_request_info(connection);
      return static_cast<Impl*>(info->user_data)->Serve(connection, *info);
    };
    callbacks.log_message = [](const mg_connection*, const char* message) {
      VLOG(1) << "HTTP: " << message;
      return 1;
    };
    callbacks.log_access = [](const mg_connection*, const char*) { return 1; };
    // A reader that is slow or stops in the middle loses its thread for 5 s at most.
    const char* options[] = {"listening_ports",
                             address.c_str(),
                             "num_threads",
                             "4",
                             "request_timeout_ms",
                             "5000",
                             "enable_keep_alive",
                             "no",
                             "decode_url",
                             "yes",
                             "connection_queue",
                             "16",
                             nullptr};
    context_ = mg_start(&callbacks, this, options);
    if (context_ == nullptr) {
      return absl::UnavailableError(absl::StrCat("cannot listen on ", address));
    }
    mg_server_port ports[1] = {};
    if (mg_get_server_ports(context_, 1, ports) == 1) port_ = static_cast<uint16_t>(ports[0].port);
    return absl::OkStatus();
  }
  uint16_t port() const { return port_; }

 private:
  int Serve(mg_connection* connection, const mg_request_info& request) {
    const std::string_view method = request.request_method;
    const char* host = mg_get_header(connection, "Host");
    HttpResponse response;
    if (method != "GET" && method != "HEAD") {
      response = {405, "text/plain; charset=utf-8", "GET and HEAD only\n"};
    } else if (loopback_ && host != nullptr && !IsAddressOrLocalhost(host)) {
      response = {403, "text/plain; charset=utf-8", "ask for this host by address or localhost\n"};
    } else {
      response = handler_(request.local_uri);
    }
    const std::string head = absl::StrCat(
        "HTTP/1.1 ", response.status, " ", ReasonPhrase(response.status),
        "\r\nContent-Type: ", response.content_type, "\r\nContent-Length: ", response.body.size(),
        "\r\n", response.status == 405 ? "Allow: GET, HEAD\r\n" : "", kHeaders, "\r\n");
    mg_write(connection, head.data(), head.size());
    if (method != "HEAD") mg_write(connection, response.body.data(), response.body.size());
    return response.status;
  }

  const bool loopback_;
  const Handler handler_;
  mg_context* context_ = nullptr;
  uint16_t port_ = 0;
};

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const HttpAddress& address,
                                                              Handler handler) {
  auto impl = std::make_unique<Impl>(address.IsLoopback(), std::move(handler));
  const absl::Status listening = impl->Listen(address.ToString());
  if (!listening.ok()) return listening;
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;
uint16_t HttpServer::port() const { return impl_->port(); }

}  // namespace guideway
