#include "controlplane/compiler/delivery.h"

#include <algorithm>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "lib/net/encapsulation.h"
#include "lib/net/l3dsr.h"

namespace guideway {
namespace {

using channel::Encapsulation;

struct Name {
  const char* text;
  Encapsulation encapsulation;
};
constexpr Name kNames[] = {{"l2", Encapsulation::kL2},
                           {"ipip", Encapsulation::kIpip},
                           {"gre", Encapsulation::kGre},
                           {"gue", Encapsulation::kGue},
                           {"l3dsr", Encapsulation::kL3dsr}};

Encapsulation EncapsulationOf(v1::Encapsulation configured) {
  switch (configured) {
    case v1::IPIP:
      return Encapsulation::kIpip;
    case v1::GRE:
      return Encapsulation::kGre;
    case v1::GUE:
      return Encapsulation::kGue;
    case v1::L3DSR:
      return Encapsulation::kL3dsr;
    default:
      return Encapsulation::kL2;
  }
}

// What stands behind the first word of "gue/6080/hops".
bool ParseDetails(const std::vector<std::string>& words, Delivery* delivery) {
  uint32_t number = 0;
  if (delivery->encapsulation == Encapsulation::kGue) {
    if (words.size() < 2 || !absl::SimpleAtoi(words[1], &number) || number == 0 ||
        number > 0xffff) {
      return false;
    }
    delivery->gue_port = static_cast<uint16_t>(number);
    for (size_t i = 2; i < words.size(); ++i) {
      bool& flag = words[i] == "hops" ? delivery->gue_hop_list : delivery->gue_zero_checksum6;
      if (flag || (words[i] != "hops" && words[i] != "zero6")) return false;
      flag = true;
    }
    return true;
  }
  if (delivery->encapsulation == Encapsulation::kL3dsr) {
    if (words.size() != 2 || !absl::SimpleAtoi(words[1], &number) || number > kMaxDscp) {
      return false;
    }
    delivery->dscp = static_cast<uint8_t>(number);
    return true;
  }
  return words.size() == 1;
}

}  // namespace

std::string Delivery::ToString() const {
  std::string text = kNames[static_cast<size_t>(encapsulation)].text;
  if (encapsulation == Encapsulation::kGue) {
    absl::StrAppend(&text, "/", gue_port, gue_hop_list ? "/hops" : "",
                    gue_zero_checksum6 ? "/zero6" : "");
  }
  if (encapsulation == Encapsulation::kL3dsr) absl::StrAppend(&text, "/", dscp);
  if (has_source_prefix()) absl::StrAppend(&text, "@", source_prefix.ToString());
  return text;
}

absl::StatusOr<Delivery> Delivery::Parse(const std::string& text) {
  const absl::Status bad = absl::InvalidArgumentError(absl::StrCat(text, " is not a delivery"));
  Delivery delivery;
  const size_t at = text.find('@');
  const std::vector<std::string> words = absl::StrSplit(text.substr(0, at), '/');
  const auto* name = std::find_if(std::begin(kNames), std::end(kNames),
                                  [&](const Name& n) { return words[0] == n.text; });
  if (name == std::end(kNames)) return bad;
  delivery.encapsulation = name->encapsulation;
  if (!ParseDetails(words, &delivery)) return bad;
  if (at == std::string::npos) return delivery;
  const auto prefix = IpPrefix::Parse(text.substr(at + 1));
  if (!prefix.ok() || prefix->length_bits == 0 || prefix->host_bits() < kMinFlowBits ||
      (prefix->address.IsIpv4() && prefix->host_bits() > kMaxFlowBitsIpv4) ||
      !IsTunnel(delivery.encapsulation)) {
    return bad;
  }
  delivery.source_prefix = *prefix;
  return delivery;
}

Delivery DeliveryTo(const IpAddress& backend, const v1::Pool& pool, const v1::Config& config) {
  Delivery delivery;
  delivery.encapsulation = EncapsulationOf(pool.encapsulation());
  if (delivery.encapsulation == Encapsulation::kGue) {
    delivery.gue_port = static_cast<uint16_t>(pool.gue().port());
    delivery.gue_hop_list = pool.gue().second_chance();
    delivery.gue_zero_checksum6 = pool.gue().zero_checksum6();
  }
  if (delivery.encapsulation == Encapsulation::kL3dsr) {
    delivery.dscp = static_cast<uint8_t>(pool.dscp());
  }
  if (!IsTunnel(delivery.encapsulation)) return delivery;
  const std::string& of_pool =
      backend.IsIpv4() ? pool.source_prefix_ipv4() : pool.source_prefix_ipv6();
  const std::string& of_all =
      backend.IsIpv4() ? config.source_prefix_ipv4() : config.source_prefix_ipv6();
  const std::string& text = of_pool.empty() ? of_all : of_pool;
  if (!text.empty()) delivery.source_prefix = IpPrefix::Parse(text).value_or(IpPrefix{});
  return delivery;
}

void SetDelivery(const Delivery& delivery, const IpAddress& port_source,
                 channel::BackendBody* body) {
  body->encapsulation = delivery.encapsulation;
  body->gue_port = Be16(delivery.gue_port);
  body->gue_hop_list = delivery.gue_hop_list ? 1 : 0;
  body->gue_zero_checksum6 = delivery.gue_zero_checksum6 ? 1 : 0;
  body->dscp = delivery.dscp;
  body->outer_source = port_source;
  body->source_flow_bits = 0;
  if (!delivery.has_source_prefix()) return;
  body->outer_source = delivery.source_prefix.address;
  body->source_flow_bits = std::min(kMaxFlowBits, delivery.source_prefix.host_bits());
}

}  // namespace guideway
