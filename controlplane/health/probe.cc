// What probes of all kinds have in common. See probe.h.
#include "controlplane/health/probe.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "controlplane/health/socket_address.h"

namespace guideway {
namespace {

const char* NameOf(ProbeKind kind) {
  switch (kind) {
    case ProbeKind::kTcp:
      return "tcp";
    case ProbeKind::kHttp:
      return "http";
    case ProbeKind::kHttps:
      return "https";
    case ProbeKind::kUdp:
      return "udp";
    case ProbeKind::kIcmp:
      return "icmp";
    case ProbeKind::kGrpc:
      return "grpc";
    case ProbeKind::kGrpcs:
      return "grpcs";
    case ProbeKind::kExec:
      return "exec";
  }
  return "?";
}

// With their lengths, so that no two lists of texts look alike.
void AppendTexts(const std::vector<std::string>& texts, std::string* out) {
  absl::StrAppend(out, texts.size(), "[");
  for (const std::string& text : texts) absl::StrAppend(out, text.size(), ":", text);
  *out += "]";
}

}  // namespace

std::string QuestionOf(const ProbeRequest& request) {
  std::string identity = absl::StrCat(
      NameOf(request.kind), " ", request.address.ToString(), " ", request.port, " ",
      request.source.has_value() ? request.source->ToString() : "-", " ", request.status_min, " ",
      request.status_max, " ", request.tls_verify, request.silent);
  AppendTexts({request.path, request.host, request.tls_name, request.tls_ca_file, request.send,
               request.grpc_service, request.expect},
              &identity);
  AppendTexts(request.command, &identity);
  AppendTexts(request.environment, &identity);
  return identity;
}

std::string LabelOf(const ProbeRequest& request) {
  if (request.kind == ProbeKind::kExec) {
    const std::string& program = request.command.empty() ? "" : request.command[0];
    return absl::StrCat("exec ", program.substr(program.rfind('/') + 1));
  }
  if (request.port == 0) return NameOf(request.kind);
  return absl::StrCat(NameOf(request.kind), " ", request.port);
}

ProbeResult ResultOfPreparing(const absl::Status& error) {
  return {
      absl::IsUnavailable(error) ? ProbeResult::Outcome::kNotRun : ProbeResult::Outcome::kFailure,
      std::string(error.message())};
}

ProbeResult CheckWay(ProbePath* via, ProbeResult result) {
  if (via == nullptr || result.outcome == ProbeResult::Outcome::kNotRun) return result;
  const absl::Status went = via->Check();
  if (!went.ok()) return {ProbeResult::Outcome::kNotRun, std::string(went.message())};
  if (result.outcome == ProbeResult::Outcome::kFailure) {
    const std::string doubt = via->Doubt();
    if (!doubt.empty()) absl::StrAppend(&result.reason, " (", doubt, ")");
  }
  return result;
}

absl::Status PrepareSocket(const ProbeRequest& request, int socket) {
  // Without this the kernel keeps who has sent an ICMPv6 error to itself; see blame.h.
  if (!request.address.IsIpv4() && request.kind != ProbeKind::kUdp &&
      request.kind != ProbeKind::kIcmp) {
    const int on = 1;
    setsockopt(socket, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
  }
  if (request.via) return request.via->Prepare(socket);
  if (!request.source.has_value()) return absl::OkStatus();
  // So that one local port serves connections to many backends.
  const int on = 1;
  setsockopt(socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
  SocketAddress source(*request.source, 0);
  if (bind(socket, source.get(), source.size()) == 0) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("bind to ", request.source->ToString(), ": ", strerror(errno)));
}

std::string TimeoutReason(absl::Duration timeout) {
  const int64_t milliseconds = absl::ToInt64Milliseconds(timeout);
  if (milliseconds % 1000 == 0) return absl::StrCat("timed out after ", milliseconds / 1000, " s");
  return absl::StrCat("timed out after ", milliseconds, " ms");
}

}  // namespace guideway
