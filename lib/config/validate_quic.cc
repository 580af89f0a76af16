// See validate_quic.h.
#include "lib/config/validate_quic.h"

#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "lib/net/quic_lb.h"
#include "lib/net/quic_lb_text.h"

namespace guideway {

namespace {

// Who asks a pool's backends for server IDs, and of which length.
struct Asker {
  std::string vip;
  uint32_t server_id_bytes = 0;
};
using Askers = std::map<std::string, Asker>;  // by pool name

// Values outside their own range are reported by the rules; here they are as good as absent.
bool LengthIsRight(uint32_t server_id_bytes) {
  return QuicLbLengthsAreRight(server_id_bytes, kMinNonceBytes);
}

void CheckConfigurations(const v1::Vip& vip, const std::string& vip_path, Askers* askers,
                         Problems* problems) {
  std::map<uint32_t, std::string> first_of_id;
  for (int i = 0; i < vip.quic_lb_size(); ++i) {
    const v1::QuicLb& quic_lb = vip.quic_lb(i);
    const std::string path = absl::StrCat(vip_path, ".quic_lb[", i, "]");
    const uint32_t server_id_bytes = quic_lb.server_id_length();
    if (quic_lb.has_config_id()) {
      const auto [it, is_new] = first_of_id.emplace(quic_lb.config_id(), path);
      if (!is_new) {
        problems->Add(path + ".config_id",
                      absl::StrCat("config_id ", quic_lb.config_id(), " is also that of ",
                                   it->second, "; must be unique within the VIP"));
      }
    }
    if (!LengthIsRight(server_id_bytes)) continue;
    const uint32_t sum = server_id_bytes + quic_lb.nonce_length();
    if (quic_lb.nonce_length() <= kMaxNonceBytes && sum > kMaxServerIdAndNonceBytes) {
      problems->Add(path + ".nonce_length",
                    absl::StrCat(quic_lb.nonce_length(), " and the server_id_length of ",
                                 server_id_bytes, " are ", sum, " together; must be at most ",
                                 kMaxServerIdAndNonceBytes, " together"));
    }
    const auto [asker, is_new] =
        askers->emplace(vip.pool(), Asker{absl::StrCat(vip.name(), ": ", path), server_id_bytes});
    if (!is_new && asker->second.server_id_bytes != server_id_bytes) {
      problems->Add(path + ".server_id_length",
                    absl::StrCat(server_id_bytes, " is not the ", asker->second.server_id_bytes,
                                 " of VIP ", asker->second.vip,
                                 "; must be one length for all backends of pool ", vip.pool()));
    }
  }
}

void CheckServerIds(const v1::Pool& pool, const std::string& pool_path, const Asker* asker,
                    Problems* problems) {
  std::map<std::string, std::string> first_of_id;
  for (int i = 0; i < pool.backends_size(); ++i) {
    const std::string& text = pool.backends(i).server_id();
    const std::string path = absl::StrCat(pool_path, ".backends[", i, "].server_id");
    if (text.empty() && asker != nullptr) {
      problems->Add(path, absl::StrCat("is missing; must have length ", asker->server_id_bytes,
                                       ", which VIP ", asker->vip, " asks for"));
    }
    const auto id = ParseServerId(text);
    if (!id.ok()) continue;
    const auto [it, is_new] = first_of_id.emplace(ToString(*id), path);
    if (!is_new) {
      problems->Add(path, absl::StrCat("server ID ", it->first, " is also that of ", it->second,
                                       "; must be unique within the pool"));
    }
    if (asker != nullptr && id->length_bytes != asker->server_id_bytes) {
      problems->Add(path, absl::StrCat(text, " has length ", static_cast<int>(id->length_bytes),
                                       "; must have length ", asker->server_id_bytes,
                                       ", which VIP ", asker->vip, " asks for"));
    }
  }
}

}  // namespace

void ValidateQuic(const v1::Config& config, Problems* problems) {
  Askers askers;
  for (int i = 0; i < config.vips_size(); ++i) {
    const v1::Vip& vip = config.vips(i);
    const std::string path = absl::StrCat("vips[", i, "]");
    if (vip.quic_lb_size() == 0) continue;
    if (vip.protocol() != v1::UDP && vip.protocol() != v1::PROTOCOL_UNSPECIFIED) {
      problems->Add(path + ".quic_lb", "has a meaning only if protocol is udp; leave it out");
      continue;
    }
    CheckConfigurations(vip, path, &askers, problems);
  }
  for (int i = 0; i < config.pools_size(); ++i) {
    const auto asker = askers.find(config.pools(i).name());
    CheckServerIds(config.pools(i), absl::StrCat("pools[", i, "]"),
                   asker == askers.end() ? nullptr : &asker->second, problems);
  }
}

}  // namespace guideway
