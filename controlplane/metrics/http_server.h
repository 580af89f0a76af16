// A small HTTP server for reading: GET and HEAD of a few paths, nothing from the disk.
//
// Runs on threads of its own (civetweb). Headers of every answer forbid the browser to load
// anything from elsewhere, to be framed, and to keep the page. Bound to a loopback address it
// answers only requests whose Host is an address or localhost, so that no web page can reach it by
// a name that it makes resolve to this host.
#ifndef GUIDEWAY_CONTROLPLANE_METRICS_HTTP_SERVER_H_
#define GUIDEWAY_CONTROLPLANE_METRICS_HTTP_SERVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "lib/net/address.h"

namespace guideway {

struct HttpAddress {
  IpAddress address;
  uint16_t port = 0;  // 0: any free one

  // "127.0.0.1:9487", "[::1]:9487"; InvalidArgument for anything else.
  static absl::StatusOr<HttpAddress> Parse(const std::string& text);
  std::string ToString() const;
  bool IsLoopback() const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

class HttpServer {
 public:
  // `path` without query. Called on any of the server's threads, on several at a time.
  using Handler = std::function<HttpResponse(const std::string& path)>;

  // Unavailable if it cannot listen there.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const HttpAddress& address,
                                                           Handler handler);
  // Waits for the handlers that run.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  uint16_t port() const;

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_METRICS_HTTP_SERVER_H_
