// See access.h.
#include "controlplane/server/access.h"

#include <grp.h>
#include <grpc/grpc_security_constants.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/status.h"

namespace guideway {

namespace {

// Not a group of anybody's: (gid_t)-1 means "leave as it is" to the kernel.
constexpr uint32_t kNobodysGroup = 0xffffffff;

std::optional<uint32_t> FindGroup(const std::string& name, const char* flag,
                                  std::vector<std::string>* problems) {
  if (name.empty()) return std::nullopt;
  uint32_t number = 0;
  if (absl::SimpleAtoi(name, &number)) return number;
  const group* found = getgrnam(name.c_str());  // at the start, one thread
  if (found != nullptr) return found->gr_gid;
  problems->push_back(absl::StrCat(flag, ": there is no group ", name));
  return kNobodysGroup;
}

bool IsMember(const PeerIdentity& peer, const std::optional<uint32_t>& group) {
  if (!group.has_value()) return false;
  return peer.gid == *group ||
         std::find(peer.groups.begin(), peer.groups.end(), *group) != peer.groups.end();
}

bool AnyIn(const std::vector<std::string>& names, const std::set<std::string>& wanted) {
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return wanted.contains(name); });
}

}  // namespace

Access Access::Create(const AccessRules& rules) {
  Access access;
  access.read_group_ = FindGroup(rules.read_group, "--read_group", &access.problems_);
  access.write_group_ = FindGroup(rules.write_group, "--write_group", &access.problems_);
  access.read_names_.insert(rules.read_names.begin(), rules.read_names.end());
  access.write_names_.insert(rules.write_names.begin(), rules.write_names.end());
  return access;
}

Role Access::RoleOf(const PeerIdentity& peer) const {
  if (peer.kind != PeerIdentity::kUnixProcess) return Role::kNone;
  if (!has_groups() || peer.uid == 0 || peer.uid == geteuid()) return Role::kWrite;
  if (IsMember(peer, write_group_)) return Role::kWrite;
  return IsMember(peer, read_group_) ? Role::kRead : Role::kNone;
}

Role Access::RoleOf(const std::vector<std::string>& certificate_names) const {
  if (AnyIn(certificate_names, write_names_)) return Role::kWrite;
  return AnyIn(certificate_names, read_names_) ? Role::kRead : Role::kNone;
}

grpc::Status Access::Check(const grpc::ServerContextBase& context, const UnixPeers& peers,
                           Role needed) const {
  const std::vector<std::string> names = CertificateNames(context);
  const PeerIdentity peer = names.empty() ? peers.Find(context.peer()) : PeerIdentity();
  const Role role = names.empty() ? RoleOf(peer) : RoleOf(names);
  if (role >= needed) return grpc::Status::OK;
  const std::string who =
      names.empty() ? peer.ToString() : absl::StrCat("certificate of ", absl::StrJoin(names, ", "));
  return {grpc::StatusCode::PERMISSION_DENIED,
          absl::StrCat(who, role == Role::kRead ? " may look on but not change anything"
                                                : " may not use this control plane")};
}

std::vector<std::string> CertificateNames(const grpc::ServerContextBase& context) {
  std::vector<std::string> names;
  const auto auth = context.auth_context();
  if (auth == nullptr || !auth->IsPeerAuthenticated()) return names;
  for (const char* property : {GRPC_X509_CN_PROPERTY_NAME, GRPC_X509_SAN_PROPERTY_NAME}) {
    for (const grpc::string_ref& value : auth->FindPropertyValues(property)) {
      names.emplace_back(value.data(), value.size());
    }
  }
  return names;
}

}  // namespace guideway
