// The HTTP probe, also over TLS: a GET; status and body decide.
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controlplane/health/curl_loop.h"

namespace guideway {
namespace {

class HttpProbe : public CurlProbe {
 public:
  HttpProbe(CurlLoop* curl, const ProbeRequest& request, ProbeDone done)
      : CurlProbe(curl, request, request.path, std::move(done)) {
    curl_easy_setopt(easy_, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    Start();
  }

 private:
  ProbeResult Judge(long status) override {
    const std::string text = absl::StrCat("HTTP status ", status);
    if (status < static_cast<long>(request_.status_min) ||
        status > static_cast<long>(request_.status_max)) {
      return {ProbeResult::Outcome::kFailure,
              absl::StrCat(text, ", expected ", request_.status_min, "-", request_.status_max)};
    }
    if (body_.find(request_.expect) == std::string::npos) {
      return {ProbeResult::Outcome::kFailure,
              absl::StrCat(text, ", body without what is expected")};
    }
    return {ProbeResult::Outcome::kSuccess, text};
  }
};

}  // namespace

std::unique_ptr<Probe> StartHttpProbe(CurlLoop* curl, const ProbeRequest& request, ProbeDone done) {
  return std::make_unique<HttpProbe>(curl, request, std::move(done));
}

}  // namespace guideway
