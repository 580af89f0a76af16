// See quic.h. Validation has let only right values pass.
#include "controlplane/compiler/quic.h"

#include "lib/base/status.h"
#include "lib/net/quic_lb_text.h"

namespace guideway {

absl::Status SetServerId(const v1::Backend& backend, uint32_t pool_index,
                         channel::BackendBody* body) {
  if (backend.server_id().empty()) return absl::OkStatus();
  GW_ASSIGN_OR_RETURN(body->server_id, ParseServerId(backend.server_id()));
  body->server_id_pool = pool_index;
  return absl::OkStatus();
}

absl::Status CompileQuicLbs(const v1::Vip& vip, uint32_t vip_index, Tables* tables) {
  for (const v1::QuicLb& quic_lb : vip.quic_lb()) {
    channel::QuicLbBody body = {};
    body.index = vip_index * kQuicLbConfigs + quic_lb.config_id();
    body.server_id_bytes = static_cast<uint8_t>(quic_lb.server_id_length());
    body.nonce_bytes = static_cast<uint8_t>(quic_lb.nonce_length());
    body.encrypted = quic_lb.key().empty() ? 0 : 1;
    if (body.encrypted != 0) {
      GW_ASSIGN_OR_RETURN(body.key, ParseAes128Key(quic_lb.key()));
    }
    tables->quic_lbs.Set(body.index, body);
  }
  return absl::OkStatus();
}

}  // namespace guideway
