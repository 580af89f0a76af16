// What a host lacks for a backend's work, and what mends it.
#include "dataplane/decap/checks.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "dataplane/decap/attach.h"
#include "dataplane/decap/config.h"
#include "lib/base/status.h"
#include "lib/base/unique_fd.h"

namespace guideway {
namespace {

using Findings = std::vector<Finding>;

constexpr int kCapNetAdmin = 12, kCapSysAdmin = 21, kCapBpf = 39;  // linux/capability.h

int ReadSysctl(const std::string& path) {
  std::ifstream file("/proc/sys/" + path);
  int value = 0;
  file >> value;  // 0 if there is none
  return value;
}

std::string Conf(const std::string& family, const std::string& interface, const char* name) {
  return absl::StrCat("net/", family, "/conf/", interface, "/", name);
}

// The kernel takes the larger one of "all" and the interface's.
int Effective(const std::string& interface, const char* name) {
  return std::max(ReadSysctl(Conf("ipv4", "all", name)), ReadSysctl(Conf("ipv4", interface, name)));
}

// Slashes, because names of interfaces may have dots.
std::vector<std::string> SetSysctl(const std::string& path, int value) {
  return {"sysctl", "-qw", absl::StrCat(path, "=", value)};
}

void CheckKernel(const CheckOptions& options, Findings* findings) {
  utsname name{};
  unsigned major = 0, minor = 0;
  if (uname(&name) != 0 || std::sscanf(name.release, "%u.%u", &major, &minor) != 2) return;
  if (major > 5 || (major == 5 && minor >= 15)) return;
  findings->push_back({absl::StrCat("the kernel is ", name.release, ", older than 5.15"),
                       {"apt-get", "dist-upgrade"},
                       false});
}

void CheckPrivileges(const CheckOptions& options, Findings* findings) {
  std::ifstream status("/proc/self/status");
  std::string word;
  uint64_t effective = 0;
  while (status >> word) {
    if (word == "CapEff:") status >> std::hex >> effective;
  }
  const auto has = [&](int capability) { return effective >> capability & 1; };
  if (has(kCapNetAdmin) && (has(kCapBpf) || has(kCapSysAdmin))) return;
  findings->push_back({"no privilege for BPF programs (CAP_BPF and CAP_NET_ADMIN)",
                       {"sudo", "guideway-decap", "check", "--interface", options.interface},
                       false});
}

void CheckVips(const CheckOptions& options, Findings* findings) {
  if (options.vips.empty()) {
    findings->push_back(
        {"lo has no VIP, and no --vip says which one it should have",
         {"guideway-decap", "setup", "--interface", options.interface, "--vip", "ADDRESS"},
         false});
  }
  const auto addresses = HostAddresses();
  if (!addresses.ok()) return;
  for (const IpAddress& vip : options.vips) {
    const bool there = std::any_of(addresses->begin(), addresses->end(),
                                   [&](const auto& entry) { return entry.second == vip; });
    if (there) continue;
    Finding finding{absl::StrCat("VIP ", vip.ToString(), " is no address of this host"), {}};
    finding.command = {"ip",  "address",
                       "add", absl::StrCat(vip.ToString(), vip.IsIpv4() ? "/32" : "/128"),
                       "dev", "lo"};
    if (!vip.IsIpv4()) finding.command.push_back("nodad");
    findings->push_back(std::move(finding));
  }
}

bool IsUp(const std::string& interface) {
  const UniqueFd socket_fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, interface.c_str(), IFNAMSIZ - 1);
  return ioctl(socket_fd.get(), SIOCGIFFLAGS, &request) != 0 || request.ifr_flags & IFF_UP;
}

void CheckLo(const CheckOptions& options, Findings* findings) {
  if (IsUp("lo")) return;
  findings->push_back({"lo is down: its addresses are none", {"ip", "link", "set", "lo", "up"}});
}

bool HasFamily(const CheckOptions& options, IpFamily family) {
  return std::any_of(options.vips.begin(), options.vips.end(),
                     [&](const IpAddress& vip) { return vip.family() == family; });
}

void CheckIpv4(const CheckOptions& options, Findings* findings) {
  if (!HasFamily(options, IpFamily::kIpv4)) return;
  const std::string& interface = options.interface;
  if (Effective(interface, "arp_ignore") == 0) {
    findings->push_back(
        {absl::StrCat("arp_ignore is 0: this host answers ARP for the VIPs on ", interface),
         SetSysctl(Conf("ipv4", interface, "arp_ignore"), 1)});
  }
  if (Effective(interface, "arp_announce") < 2) {
    findings->push_back(
        {absl::StrCat("arp_announce is below 2: this host announces VIPs in its ARP requests on ",
                      interface),
         SetSysctl(Conf("ipv4", interface, "arp_announce"), 2)});
  }
  if (Effective(interface, "rp_filter") == 1) {
    findings->push_back(
        {absl::StrCat("rp_filter is 1 (strict): packets of clients whose route leaves by another "
                      "interface than ",
                      interface, " are dropped"),
         SetSysctl(Conf("ipv4", interface, "rp_filter"), 2)});
  }
}

void CheckIpv6(const CheckOptions& options, Findings* findings) {
  if (!HasFamily(options, IpFamily::kIpv6)) return;
  for (const std::string& interface : {std::string("lo"), options.interface}) {
    const std::string path = Conf("ipv6", interface, "disable_ipv6");
    if (ReadSysctl(path) == 0) continue;
    // First: an IPv6 VIP can be added only then.
    findings->insert(findings->begin(),
                     {absl::StrCat("IPv6 is off on ", interface), SetSysctl(path, 0)});
  }
}

void CheckLro(const CheckOptions& options, Findings* findings) {
  if (options.l2) return;
  const UniqueFd socket_fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ethtool_value value{};
  value.cmd = ETHTOOL_GFLAGS;
  ifreq request{};
  std::strncpy(request.ifr_name, options.interface.c_str(), IFNAMSIZ - 1);
  request.ifr_data = reinterpret_cast<char*>(&value);
  if (ioctl(socket_fd.get(), SIOCETHTOOL, &request) != 0 || !(value.data & ETH_FLAG_LRO)) return;
  findings->push_back({absl::StrCat("large receive offload of ", options.interface,
                                    " is on: it merges tunnel packets before they are seen"),
                       {"ethtool", "-K", options.interface, "lro", "off"}});
}

void CheckInterface(const CheckOptions& options, Findings* findings) {
  if (IsUp(options.interface)) return;
  findings->push_back({absl::StrCat(options.interface, " is down"),
                       {"ip", "link", "set", options.interface, "up"}});
}

std::vector<std::string> RunCommand(const CheckOptions& options) {
  return {"guideway-decap", "run", "--interface", options.interface, "--from", "PREFIX"};
}

// Programs that know every VIP, and an address of this host where tunnels end. Those of a run that
// has ended, or of `run --pin`, are not told what has changed since.
void CheckMaps(const CheckOptions& options, const AttachedState& state, Findings* findings) {
  const auto addresses = HostAddresses();
  if (!addresses.ok()) return;
  bool reachable = false;
  for (const auto& [name, address] : *addresses) {
    const bool vip =
        std::find(options.vips.begin(), options.vips.end(), address) != options.vips.end();
    if (state.locals.contains(address)) reachable = true;
    if (options.watched || name == "lo" || vip || !state.locals_looked_up ||
        state.vips.contains(address) || state.locals.contains(address)) {
      continue;
    }
    findings->push_back(
        {absl::StrCat("the programs on ", options.interface, " do not know this host's address ",
                      address.ToString(), ": tunnels to it are left alone"),
         RunCommand(options), false});
  }
  if (!reachable) {
    findings->push_back({absl::StrCat("no address that tunnels may end at (--local) is one of "
                                      "this host: nothing is decapsulated"),
                         RunCommand(options), false});
  }
  if (options.watched || (!options.vips_given && !state.vips_looked_up))
    return;  // lo may have other addresses
  for (const IpAddress& vip : options.vips) {
    if (state.vips.contains(vip)) continue;
    findings->push_back({absl::StrCat("the programs on ", options.interface, " do not know VIP ",
                                      vip.ToString(), ": what is for it stays in its tunnel"),
                         RunCommand(options), false});
  }
}

void CheckAttached(const CheckOptions& options, Findings* findings) {
  if (options.l2) return;
  const absl::StatusOr<AttachedState> state = ReadAttachedState(options.interface);
  if (!state.ok()) {
    std::vector<std::string> command = RunCommand(options);
    command.emplace_back("--pin");
    findings->push_back({std::string(state.status().message()), std::move(command), false});
    return;
  }
  if (!state->tc) {
    findings->push_back({absl::StrCat("the tc program is not attached to ", options.interface,
                                      ": nothing is sent to a next hop"),
                         RunCommand(options), false});
  }
  CheckMaps(options, *state, findings);
}

}  // namespace

absl::StatusOr<std::vector<Finding>> Check(const CheckOptions& options) {
  GW_RETURN_IF_ERROR(InterfaceIndex("--interface", options.interface).status());
  Findings findings;
  for (const auto check : {CheckKernel, CheckPrivileges, CheckInterface, CheckLo, CheckVips,
                           CheckIpv4, CheckIpv6, CheckLro, CheckAttached}) {
    check(options, &findings);
  }
  return findings;
}

std::string CommandText(const Finding& finding) { return absl::StrJoin(finding.command, " "); }

absl::Status Mend(const Finding& finding) {
  std::vector<char*> arguments;
  for (const std::string& word : finding.command)
    arguments.push_back(const_cast<char*>(word.data()));
  arguments.push_back(nullptr);
  pid_t child = 0;
  const int error = posix_spawnp(&child, arguments[0], nullptr, nullptr, arguments.data(), environ);
  if (error != 0) return ErrnoStatus(error, CommandText(finding));
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return ErrnoStatus(errno, CommandText(finding));
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(CommandText(finding), ": failed"));
}

}  // namespace guideway
