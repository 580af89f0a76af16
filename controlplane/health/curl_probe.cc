// One easy handle a probe: options that all have, and what its errors mean. See curl_loop.h.
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "controlplane/health/curl_loop.h"
#include "glog/logging.h"
#include "lib/base/regular_file.h"
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

// What curl says of itself and of this host, and not of the other end. CURLE_UNSUPPORTED_PROTOCOL
// is none: curl says it of an answer that is no HTTP.
bool IsOwnCode(CURLcode code) {
  switch (code) {
    case CURLE_FAILED_INIT:
    case CURLE_URL_MALFORMAT:
    case CURLE_NOT_BUILT_IN:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:  // no name is ever asked for
    case CURLE_READ_ERROR:
    case CURLE_OUT_OF_MEMORY:
    case CURLE_ABORTED_BY_CALLBACK:
    case CURLE_BAD_FUNCTION_ARGUMENT:
    case CURLE_INTERFACE_FAILED:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_SETFAILED:
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_NO_CONNECTION_AVAILABLE:
      return true;
    default:
      return false;
  }
}

// curl has one code for all that goes wrong within TLS or HTTP/2; its text, which keeps the first
// error, tells which call it was.
bool IsErrorOfSend(CURLcode code, const char* text) {
  return code == CURLE_SEND_ERROR || absl::StartsWith(text, "Send failure");
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
  // curl would open it, and wait for whoever writes to a FIFO.
  const std::string misplaced =
      uses_tls() ? WhatIsInThePlaceOf(request_.tls_ca_file, /*follow_links=*/true) : "";
  if (!misplaced.empty()) {
    GiveUp(absl::StrCat("cannot read certificates of ", request_.tls_ca_file, ": is ", misplaced));
    return;
  }
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
  // Ours, so that curl does not keep to itself why there is no socket, or no connection.
  curl_easy_setopt(easy_, CURLOPT_OPENSOCKETFUNCTION, &CurlProbe::OnOpenSocket);
  curl_easy_setopt(easy_, CURLOPT_OPENSOCKETDATA, this);
  curl_easy_setopt(easy_, CURLOPT_CLOSESOCKETFUNCTION, &CurlLoop::OnCloseSocket);
  curl_easy_setopt(easy_, CURLOPT_CLOSESOCKETDATA, curl_);
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
  UniqueFd made(
      socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->protocol));
  probe->prepared_ = made.valid()
                         ? PrepareSocket(probe->request_, made.get())
                         : absl::UnavailableError(absl::StrCat("socket: ", strerror(errno)));
  if (!probe->prepared_.ok()) return CURL_SOCKET_BAD;
  probe->socket_ = made.release();
  probe->curl_->probes_[probe->socket_] = probe;
  return probe->socket_;
}

size_t CurlProbe::OnBody(char* data, size_t size, size_t count, void* user) {
  auto* probe = static_cast<CurlProbe*>(user);
  const size_t room = kBodyLimitBytes - probe->body_.size();
  probe->body_cut_ = size * count > room;
  probe->body_.append(data, std::min(size * count, room));
  return probe->body_cut_ ? 0 : size * count;
}

void CurlProbe::Finish(CURLcode code) {
  if (socket_ != CURL_SOCKET_BAD) ReadStory();
  Finish(prepared_.ok() ? CheckWay(request_.via.get(), ResultOf(code))
                        : ResultOfPreparing(prepared_));
}

void CurlProbe::Finish(ProbeResult result) {
  Release();
  const ProbeDone done = std::move(done_);
  done(std::move(result));
}

void CurlProbe::NoteSource() {
  if (!story_.source.has_value()) story_.source = SourceOf(socket_);
}

void CurlProbe::ReadStory() {
  // curl shuts down what is not connected yet, and the kernel then forgets where it came from.
  const std::optional<IpAddress> noted = story_.source;
  story_ = StoryOf(socket_);
  if (noted.has_value()) story_.source = noted;
}

void CurlProbe::GiveUp(const std::string& reason) {
  if (give_up_timer_ != 0) return;
  // Not from within curl.
  give_up_timer_ = curl_->loop_->After(absl::ZeroDuration(), [this, reason] {
    Finish(ProbeResult{ProbeResult::Outcome::kNotRun, reason});
  });
}

ProbeResult CurlProbe::OfConnection(int error) const {
  ProbeResult result{ProbeResult::Outcome::kFailure,
                     absl::StrCat("connect: ", error != 0 ? strerror(error) : "failed")};
  if (error == 0 || IsOwnErrorOfConnection(error, story_)) {
    result.outcome = ProbeResult::Outcome::kNotRun;
  }
  if (story_.icmp == SocketStory::kFirewall) result.reason += ", says this host";
  if (story_.icmp == SocketStory::kNeighbour) result.unheard = story_.source;
  return result;
}

ProbeResult CurlProbe::ResultOf(CURLcode code) {
  if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && body_cut_) || HasAnswer()) {
    long status = 0;
    curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
    return Judge(status);
  }
  if (code == CURLE_OPERATION_TIMEDOUT) {
    return {ProbeResult::Outcome::kFailure, TimeoutReason(request_.timeout), story_.source};
  }
  long error = 0;
  curl_easy_getinfo(easy_, CURLINFO_OS_ERRNO, &error);
  if (code == CURLE_COULDNT_CONNECT) return OfConnection(static_cast<int>(error));
  if (code == CURLE_SSL_CACERT_BADFILE) {
    return {ProbeResult::Outcome::kNotRun,
            absl::StrCat("cannot read certificates of ", request_.tls_ca_file)};
  }
  if (code == CURLE_HTTP2_STREAM) {
    return {ProbeResult::Outcome::kFailure, "HTTP: the server reset the stream"};
  }
  // curl tells the errno of the call that failed, if one has.
  const auto call_error = static_cast<int>(error);
  const bool own_call = IsErrorOfSend(code, error_text_)
                            ? IsOwnErrorOfConnection(call_error, story_)
                            : IsOwnErrorOfAnswer(call_error);
  const bool own = IsOwnCode(code) || (error != 0 && own_call);
  return {own ? ProbeResult::Outcome::kNotRun : ProbeResult::Outcome::kFailure,
          absl::StrCat(IsTlsError(code) ? "TLS: " : "HTTP: ",
                       error_text_[0] != '\0' ? error_text_ : curl_easy_strerror(code))};
}

void CurlProbe::Release() {
  if (easy_ == nullptr) return;
  curl_->loop_->Cancel(give_up_timer_);
  curl_multi_remove_handle(curl_->multi_, easy_);
  curl_easy_cleanup(easy_);
  curl_slist_free_all(headers_);
  curl_slist_free_all(connect_to_);
  if (socket_ != CURL_SOCKET_BAD) curl_->probes_.erase(socket_);
  easy_ = nullptr;
}

}  // namespace guideway
