// See validate.h. Here is what fields mean together; validate_rules.cc checks them one by one.
#include "lib/config/validate.h"

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "lib/channel/messages.h"
#include "lib/config/defaults.h"
#include "lib/config/schema.h"
#include "lib/config/validate_delivery.h"
#include "lib/config/validate_fragments.h"
#include "lib/config/validate_passive.h"
#include "lib/config/validate_probes.h"
#include "lib/config/validate_quic.h"
#include "lib/config/validate_rules.h"
#include "lib/net/address.h"

namespace guideway {

namespace {

bool IsPrime(uint32_t n) {
  if (n < 2) return false;
  for (uint32_t d = 2; d * d <= n; ++d) {
    if (n % d == 0) return false;
  }
  return true;
}
uint32_t NextPrime(uint32_t n) {
  while (!IsPrime(n)) ++n;
  return n;
}

// One way to write an address, so that 2001:db8::1 and 2001:db8:0::1 are the same. Texts that are
// no address stand for themselves; the rules have reported them.
std::string Canonical(const std::string& address) {
  const auto parsed = IpAddress::Parse(address);
  return parsed.ok() ? parsed->ToString() : address;
}

// Finds values that occur twice. Empty ones are reported as missing elsewhere.
class Unique {
 public:
  explicit Unique(Problems* problems) : problems_(problems) {}
  void Check(const std::string& value, const std::string& path, const std::string& what) {
    if (value.empty()) return;
    const auto [it, inserted] = first_.emplace(value, path);
    if (!inserted) {
      problems_->Add(path, absl::StrCat(what, " is also that of ", it->second, "; must be unique"));
    }
  }

 private:
  Problems* problems_;
  absl::flat_hash_map<std::string, std::string> first_;
};

void CheckPool(const v1::Pool& pool, const std::string& path,
               const absl::flat_hash_map<std::string, std::string>& vip_addresses,
               Problems* problems) {
  if (!IsPrime(pool.table_size())) {
    problems->Add(path + ".table_size",
                  absl::StrCat(pool.table_size(), " is not a prime; the next one is ",
                               NextPrime(std::min(pool.table_size(), channel::kMaxSlots))));
  } else if (static_cast<uint32_t>(pool.backends_size()) >= pool.table_size()) {
    problems->Add(path + ".table_size",
                  absl::StrCat(pool.table_size(), " slots are too few for ", pool.backends_size(),
                               " backends; must be a prime above the number of backends"));
  }
  Unique names(problems);
  Unique addresses(problems);
  for (int i = 0; i < pool.backends_size(); ++i) {
    const v1::Backend& backend = pool.backends(i);
    const std::string backend_path = absl::StrCat(path, ".backends[", i, "]");
    const std::string address = Canonical(backend.address());
    names.Check(backend.name(), backend_path + ".name",
                absl::StrCat("backend name ", backend.name()));
    addresses.Check(address, backend_path + ".address", absl::StrCat("address ", address));
    if (auto vip = vip_addresses.find(address); vip != vip_addresses.end()) {
      problems->Add(backend_path + ".address",
                    absl::StrCat(address, " is the address of VIP ", vip->second,
                                 "; must be the backend's own"));
    }
  }
}

// A timeout of the other protocol would do nothing.
void CheckFlowTimeouts(const v1::Vip& vip, const std::string& path, Problems* problems) {
  const v1::VipFlowTimeouts& timeouts = vip.flow_timeouts();
  const auto only_with = [&](v1::Protocol protocol, bool present, const char* field) {
    if (!present || vip.protocol() == protocol || vip.protocol() == v1::PROTOCOL_UNSPECIFIED) {
      return;
    }
    problems->Add(absl::StrCat(path, ".flow_timeouts.", field),
                  absl::StrCat("means something only with protocol: ", EnumName(protocol)));
  };
  only_with(v1::TCP, timeouts.has_half_open(), "half_open");
  only_with(v1::TCP, timeouts.has_established(), "established");
  only_with(v1::TCP, timeouts.has_closing(), "closing");
  only_with(v1::TCP, timeouts.has_half_closed(), "half_closed");
  only_with(v1::UDP, timeouts.has_udp(), "udp");
}

void CheckVips(const v1::Config& config, const absl::flat_hash_set<std::string>& pools,
               Problems* problems) {
  Unique names(problems);
  Unique endpoints(problems);
  std::vector<std::string> pool_names(pools.begin(), pools.end());
  std::sort(pool_names.begin(), pool_names.end());
  for (int i = 0; i < config.vips_size(); ++i) {
    const v1::Vip& vip = config.vips(i);
    const std::string path = absl::StrCat("vips[", i, "]");
    names.Check(vip.name(), path + ".name", absl::StrCat("VIP name ", vip.name()));
    CheckFlowTimeouts(vip, path, problems);
    if (!vip.address().empty() && vip.protocol() != v1::PROTOCOL_UNSPECIFIED) {
      const std::string endpoint = absl::StrCat(Canonical(vip.address()), " port ", vip.port(), " ",
                                                EnumName(vip.protocol()));
      endpoints.Check(endpoint, path + ".address", endpoint);
    }
    if (!vip.pool().empty() && !pools.contains(vip.pool())) {
      const std::string nearest = NearestName(vip.pool(), pool_names);
      problems->Add(path + ".pool",
                    absl::StrCat("there is no pool ", vip.pool(),
                                 nearest.empty() ? "" : ", did you mean " + nearest + "?",
                                 "; must be the name of a pool"));
    }
  }
}

void CheckTogether(const v1::Config& config, Problems* problems) {
  Unique port_names(problems);
  for (int i = 0; i < config.ports_size(); ++i) {
    const std::string path = absl::StrCat("ports[", i, "]");
    port_names.Check(config.ports(i).name(), path + ".name",
                     absl::StrCat("port name ", config.ports(i).name()));
    if (i > 0) {
      problems->Add(path + ".static_gateway",
                    "is the second static gateway; one port at most may have one");
    }
  }
  absl::flat_hash_map<std::string, std::string> vip_addresses;
  for (const v1::Vip& vip : config.vips()) {
    if (!vip.address().empty()) vip_addresses.emplace(Canonical(vip.address()), vip.name());
  }
  Unique pool_names(problems);
  absl::flat_hash_set<std::string> pools;
  uint64_t backends = 0;
  for (int i = 0; i < config.pools_size(); ++i) {
    const v1::Pool& pool = config.pools(i);
    const std::string path = absl::StrCat("pools[", i, "]");
    pool_names.Check(pool.name(), path + ".name", absl::StrCat("pool name ", pool.name()));
    pools.insert(pool.name());
    backends += static_cast<uint64_t>(pool.backends_size());
    CheckPool(pool, path, vip_addresses, problems);
  }
  if (backends > channel::kMaxBackends) {
    problems->Add("pools", absl::StrCat("have ", backends, " backends together; at most ",
                                        channel::kMaxBackends, " are allowed"));
  }
  CheckVips(config, pools, problems);
  ValidateDelivery(config, problems);
  ValidateQuic(config, problems);
  ValidateFragments(config, problems);
  ValidatePassive(config, problems);
  ValidateProbes(config, problems);
}

}  // namespace

void Validate(const v1::Config& config, Problems* problems) {
  ValidateRules(config, "", problems);
  v1::Config filled = config;
  FillDefaults(&filled);
  CheckTogether(filled, problems);
}

absl::Status CheckConfig(const v1::Config& config) {
  Problems problems;
  Validate(config, &problems);
  return problems.ToStatus("");
}

}  // namespace guideway
