// libcurl on the event loop: its multi socket interface, and what HTTP and gRPC probes share.
//
// Thread safety: loop thread only.
#ifndef GUIDEWAY_CONTROLPLANE_HEALTH_CURL_LOOP_H_
#define GUIDEWAY_CONTROLPLANE_HEALTH_CURL_LOOP_H_

#include <curl/curl.h>

#include <memory>
#include <string>
#include <unordered_map>

#include "controlplane/event_loop.h"
#include "controlplane/health/blame.h"
#include "controlplane/health/probe.h"

namespace guideway {

class CurlProbe;

// Must outlive its transfers.
class CurlLoop {
 public:
  explicit CurlLoop(EventLoop* loop);
  ~CurlLoop();
  CurlLoop(const CurlLoop&) = delete;
  CurlLoop& operator=(const CurlLoop&) = delete;

 private:
  friend class CurlProbe;
  static int OnSocket(CURL* easy, curl_socket_t fd, int what, void* user, void* socket_data);
  static int OnTimer(CURLM* multi, long timeout_ms, void* user);
  static int OnCloseSocket(void* user, curl_socket_t fd);
  // Lets curl work on a socket (or CURL_SOCKET_TIMEOUT), then hands out what has finished.
  void Act(curl_socket_t fd, int what);

  EventLoop* loop_;
  CURLM* multi_;
  EventLoop::TimerId timer_ = 0;
  std::unordered_map<curl_socket_t, CurlProbe*> probes_;  // by their open sockets
};

// One transfer: an easy handle. Never follows redirects, uses no proxy and no kept connection,
// reads at most 64 KiB of a body (a longer one is cut off and does no harm).
class CurlProbe : public Probe {
 public:
  ~CurlProbe() override;

 protected:
  static constexpr size_t kBodyLimitBytes = size_t{64} * 1024;

  // `path` follows the authority.
  CurlProbe(CurlLoop* curl, const ProbeRequest& request, const std::string& path, ProbeDone done);
  // Sets off, when all options are set.
  void Start();
  void AddHeader(const std::string& line);
  bool uses_tls() const {
    return request_.kind == ProbeKind::kHttps || request_.kind == ProbeKind::kGrpcs;
  }
  // Whether all that counts has come, even if the transfer then broke off.
  virtual bool HasAnswer() const { return false; }
  // What a transfer that has its answer says; `status` is HTTP's.
  virtual ProbeResult Judge(long status) = 0;

  const ProbeRequest request_;
  CURL* easy_ = nullptr;
  std::string body_;

 private:
  friend class CurlLoop;
  void SetOptions(const std::string& path);
  void SetTlsOptions();
  static curl_socket_t OnOpenSocket(void* user, curlsocktype type, curl_sockaddr* address);
  static size_t OnBody(char* data, size_t size, size_t count, void* user);
  // The user may destroy this object within the call: nothing may be touched after it.
  void Finish(CURLcode code);
  void Finish(ProbeResult result);
  ProbeResult ResultOf(CURLcode code);
  ProbeResult OfConnection(int error) const;
  // The socket's own address, which it has once it has begun to connect.
  void NoteSource();
  // What the socket says of itself, before it is closed.
  void ReadStory();
  // Ends soon as not run.
  void GiveUp(const std::string& reason);
  void Release();

  CurlLoop* const curl_;
  ProbeDone done_;
  absl::Status prepared_;                   // the socket, see PrepareSocket()
  curl_socket_t socket_ = CURL_SOCKET_BAD;  // curl's, while it is open
  SocketStory story_;
  EventLoop::TimerId give_up_timer_ = 0;
  curl_slist* headers_ = nullptr;
  curl_slist* connect_to_ = nullptr;
  bool body_cut_ = false;
  char error_text_[CURL_ERROR_SIZE] = {};
};

std::unique_ptr<Probe> StartHttpProbe(CurlLoop* curl, const ProbeRequest& request, ProbeDone done);
std::unique_ptr<Probe> StartGrpcProbe(CurlLoop* curl, const ProbeRequest& request, ProbeDone done);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_HEALTH_CURL_LOOP_H_
