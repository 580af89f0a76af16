// One easy handle a probe: options that all have, and what its errors mean. See curl_loop.h.
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controlplane/health/curl_loop.h"
#include "glog/logging.h"
#include "lib/base/unique_fd.h"

namespace guideway {
namespace {

// Reading the host's certificates takes milliseconds; they are kept so long.
constexpr long kCertificatesKeptSeconds = 60;

std::string InUrl(const std::string& host) {
  const auto address = IpAddress::Parse(host);
  return address.ok() && !address->IsIpv4() ? absl::StrCat("[", host, "]") : host;
}

// "www.example.org:8443" without the port.
std::string WithoutPort(const std::string& host) {
  if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
  const size_t colon = host.find(':');
  return colon == host.rfind(':') ? host.substr(0, colon) : host;
}

// The host of the URL: the name that the certificate must have.
std::string TlsName(const ProbeRequest& request) {
  if (!request.tls_name.empty()) return InUrl(WithoutPort(request.tls_name));
  if (!request.host.empty()) return InUrl(WithoutPort(request.host));
  return InUrl(request.address.ToString());
}

bool IsTlsError(CURLcode code) {
  return code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION ||
         code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_CIPHER;
}

}  // namespace

CurlProbe::CurlProbe(CurlLoop* curl, const ProbeRequest& request, const std::string& path,
                     ProbeDone done)
    : request_(request), curl_(curl), done_(std::move(done)) {
  easy_ = curl_easy_init();
  CHECK(easy_ != nullptr) << "curl_easy_init";
  SetOptions(path);
  if (uses_tls()) SetTlsOptions();
}

CurlProbe::~CurlProbe() { Release(); }

void CurlProbe::Start() {
  if (headers_ != nullptr) curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, headers_);
  curl_multi_add_handle(curl_->multi_, easy_);
}

void CurlProbe::AddHeader(const std::string& line) {
  headers_ = curl_slist_append(headers_, line.c_str());
}

void CurlProbe::SetOptions(const std::string& path) {
  const std::string address = InUrl(request_.address.ToString());
  const std::string url =
      uses_tls() ? absl::StrCat("https://", TlsName(request_), ":", request_.port, path)
                 : absl::StrCat("http://", address, ":", request_.port, path);
  curl_easy_setopt(easy_, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy_, CURLOPT_PRIVATE, this);
  curl_easy_setopt(easy_, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy_, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy_, CURLOPT_PROXY, "");
  curl_easy_setopt(easy_, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy_, CURLOPT_FRESH_CONNECT, 1L);
  curl_easy_setopt(easy_, CURLOPT_FORBID_REUSE, 1L);
  curl_easy_setopt(easy_, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy_, CURLOPT_TIMEOUT_MS,
                   static_cast<long>(absl::ToInt64Milliseconds(request_.timeout)));
  curl_easy_setopt(easy_, CURLOPT_USERAGENT, "guideway-probe/" GUIDEWAY_VERSION);
  curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, error_text_);
  curl_easy_setopt(easy_, CURLOPT_WRITEFUNCTION, &CurlProbe::OnBody);
  curl_easy_setopt(easy_, CURLOPT_WRITEDATA, this);
  if (request_.via || request_.source.has_value()) {
    curl_easy_setopt(easy_, CURLOPT_OPENSOCKETFUNCTION, &CurlProbe::OnOpenSocket);
    curl_easy_setopt(easy_, CURLOPT_OPENSOCKETDATA, this);
  }
  if (!request_.host.empty()) AddHeader(absl::StrCat("Host: ", request_.host));
}

void CurlProbe::SetTlsOptions() {
  // The URL has the certificate's name; this is where it leads, and no resolver is asked.
  const std::string place =
      absl::StrCat("::", InUrl(request_.address.ToString()), ":", request_.port);
  connect_to_ = curl_slist_append(nullptr, place.c_str());
  curl_easy_setopt(easy_, CURLOPT_CONNECT_TO, connect_to_);
  curl_easy_setopt(easy_, CURLOPT_SSL_VERIFYPEER, request_.tls_verify ? 1L : 0L);
  curl_easy_setopt(easy_, CURLOPT_SSL_VERIFYHOST, request_.tls_verify ? 2L : 0L);
  curl_easy_setopt(easy_, CURLOPT_SSL_SESSIONID_CACHE, 0L);
  // Without a directory of certificates, or curl would read the file for each probe.
  curl_easy_setopt(easy_, CURLOPT_CAPATH, nullptr);
  curl_easy_setopt(easy_, CURLOPT_CA_CACHE_TIMEOUT, kCertificatesKeptSeconds);
  if (!request_.tls_ca_file.empty()) {
    curl_easy_setopt(easy_, CURLOPT_CAINFO, request_.tls_ca_file.c_str());
  }
}

curl_socket_t CurlProbe::OnOpenSocket(void* user, curlsocktype, curl_sockaddr* address) {
  auto* probe = static_cast<CurlProbe*>(user);
  UniqueFd made(socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol));
  probe->prepared_ = made.valid()
                         ? PrepareSocket(probe->request_, made.get())
                         : absl::UnavailableError(absl::StrCat("socket: ", strerror(errno)));
  return probe->prepared_.ok() ? made.release() : CURL_SOCKET_BAD;
}

size_t CurlProbe::OnBody(char* data, size_t size, size_t count, void* user) {
  auto* probe = static_cast<CurlProbe*>(user);
  const size_t room = kBodyLimitBytes - probe->body_.size();
  probe->body_cut_ = size * count > room;
  probe->body_.append(data, std::min(size * count, room));
  return probe->body_cut_ ? 0 : size * count;
}

void CurlProbe::Finish(CURLcode code) {
  ProbeResult result =
      prepared_.ok() ? CheckWay(request_.via.get(), ResultOf(code)) : ResultOfPreparing(prepared_);
  Release();
  const ProbeDone done = std::move(done_);
  done(std::move(result));
}

ProbeResult CurlProbe::ResultOf(CURLcode code) {
  if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && body_cut_) || HasAnswer()) {
    long status = 0;
    curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
    return Judge(status);
  }
  if (code == CURLE_OPERATION_TIMEDOUT) {
    return {ProbeResult::Outcome::kFailure, TimeoutReason(request_.timeout)};
  }
  long error = 0;
  curl_easy_getinfo(easy_, CURLINFO_OS_ERRNO, &error);
  if (code == CURLE_COULDNT_CONNECT) {
    return {IsOwnError(static_cast<int>(error)) ? ProbeResult::Outcome::kNotRun
                                                : ProbeResult::Outcome::kFailure,
            absl::StrCat("connect: ", error != 0 ? strerror(static_cast<int>(error)) : "failed")};
  }
  if (code == CURLE_OUT_OF_MEMORY) return {ProbeResult::Outcome::kNotRun, "out of memory"};
  if (code == CURLE_SSL_CACERT_BADFILE) {
    return {ProbeResult::Outcome::kNotRun,
            absl::StrCat("cannot read certificates of ", request_.tls_ca_file)};
  }
  if (code == CURLE_HTTP2_STREAM) {
    return {ProbeResult::Outcome::kFailure, "HTTP: the server reset the stream"};
  }
  return {ProbeResult::Outcome::kFailure,
          absl::StrCat(IsTlsError(code) ? "TLS: " : "HTTP: ",
                       error_text_[0] != '\0' ? error_text_ : curl_easy_strerror(code))};
}

void CurlProbe::Release() {
  if (easy_ == nullptr) return;
  curl_multi_remove_handle(curl_->multi_, easy_);
  curl_easy_cleanup(easy_);
  curl_slist_free_all(headers_);
  curl_slist_free_all(connect_to_);
  easy_ = nullptr;
}

}  // namespace guideway
