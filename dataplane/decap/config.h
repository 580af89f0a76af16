// What guideway-decap is told, checked, and what it looks up on the host for what it is not told.
//
// Thread safety: values.
#ifndef GUIDEWAY_DATAPLANE_DECAP_CONFIG_H_
#define GUIDEWAY_DATAPLANE_DECAP_CONFIG_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/base/named_lock.h"
#include "lib/net/address.h"
#include "lib/net/prefix.h"

namespace guideway {

enum class XdpMode : uint8_t { kAuto, kNative, kGeneric };

// The options as they were given.
struct DecapOptions {
  std::string interface;
  std::vector<std::string> vips;    // addresses; none: those on lo
  std::vector<std::string> from;    // prefixes or addresses
  std::vector<std::string> locals;  // addresses; none: all of this host but VIPs
  std::vector<std::string> l3dsr;   // "DSCP=VIP"
  std::vector<uint16_t> gue_ports;  // none: 6080
  std::string next_hop_interface;   // empty: `interface`
  std::string mode = "auto";        // auto, native, generic
  std::string lock_directory = kLockDirectory;
};

struct DecapConfig {
  std::string interface;  // as it is called now
  unsigned interface_index = 0;
  unsigned next_hop_index = 0;
  std::vector<IpAddress> vips;  // those of l3dsr included
  bool vips_looked_up = false;  // --vip was not given
  std::vector<IpPrefix> from;
  std::vector<IpAddress> locals;
  bool locals_looked_up = false;                // --local was not given
  std::map<uint8_t, IpAddress> l3dsr4, l3dsr6;  // the VIP of a family by DSCP, 1..63
  std::vector<uint16_t> gue_ports;
  XdpMode mode = XdpMode::kAuto;
};

// Names the option that is wrong. For programs that run already, with `running`, an interface that
// is called otherwise now is followed by its index, and a next hops' interface that has gone keeps
// its index: what can be served still is.
absl::StatusOr<DecapConfig> MakeConfig(const DecapOptions& options,
                                       const DecapConfig* running = nullptr);

// What an interface is called now; empty: there is none of this index.
std::string InterfaceName(unsigned index);

// The VIPs that were given, else the addresses on lo. Names the option that is wrong.
absl::StatusOr<std::vector<IpAddress>> VipsOf(const DecapOptions& options);

// INVALID_ARGUMENT names `option` if there is no such interface.
absl::StatusOr<unsigned> InterfaceIndex(const char* option, const std::string& name);

// Addresses of this host, by name of the interface; link-local and 127.0.0.0/8, ::1 left out.
absl::StatusOr<std::multimap<std::string, IpAddress>> HostAddresses();

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_DECAP_CONFIG_H_
