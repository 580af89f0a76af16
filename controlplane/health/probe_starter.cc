// See probe_starter.h.
#include "controlplane/health/probe_starter.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "controlplane/health/blame.h"

namespace guideway {

CurlLoop* ProbeStarter::CurlFor(const ProbeRequest& request) {
  std::unique_ptr<CurlLoop>& curl = curls_[request.tls_ca_file];
  if (curl == nullptr) curl = std::make_unique<CurlLoop>(loop_);
  return curl.get();
}

std::unique_ptr<Probe> ProbeStarter::Start(const ProbeRequest& request, ProbeDone done) {
  done = [done = std::move(done)](ProbeResult result) {
    // Silence tells nothing if no answer can come in.
    if (result.outcome != ProbeResult::Outcome::kNotRun && result.unheard.has_value()) {
      const std::string trouble = LinkTrouble(*result.unheard);
      if (!trouble.empty()) {
        result.outcome = ProbeResult::Outcome::kNotRun;
        result.reason = absl::StrCat(result.reason, ", and ", trouble);
      }
    }
    done(std::move(result));
  };
  switch (request.kind) {
    case ProbeKind::kTcp:
      return StartTcpProbe(loop_, request, std::move(done));
    case ProbeKind::kHttp:
    case ProbeKind::kHttps:
      return StartHttpProbe(CurlFor(request), request, std::move(done));
    case ProbeKind::kUdp:
      return StartUdpProbe(loop_, request, std::move(done));
    case ProbeKind::kIcmp:
      return StartIcmpProbe(loop_, request, std::move(done));
    case ProbeKind::kGrpc:
    case ProbeKind::kGrpcs:
      return StartGrpcProbe(CurlFor(request), request, std::move(done));
    case ProbeKind::kExec:
      return programs_.Start(request, std::move(done));
  }
  return nullptr;
}

}  // namespace guideway
