// The API's single edits, as functions from a configuration and a request to a configuration.
//
// Each changes *config or returns NOT_FOUND, ALREADY_EXISTS or INVALID_ARGUMENT and leaves it as it
// was. Whether the result is valid is checked by whoever puts it in force. Stateless.
#ifndef GUIDEWAY_CONTROLPLANE_SERVER_EDITS_H_
#define GUIDEWAY_CONTROLPLANE_SERVER_EDITS_H_

#include "absl/status/status.h"
#include "controlplane/api/guideway_service.pb.h"

namespace guideway {

absl::Status EditConfig(const v1::CreatePoolRequest& request, v1::Config* config);
// FAILED_PRECONDITION while a VIP uses the pool.
absl::Status EditConfig(const v1::DeletePoolRequest& request, v1::Config* config);
absl::Status EditConfig(const v1::AddBackendRequest& request, v1::Config* config);
absl::Status EditConfig(const v1::RemoveBackendRequest& request, v1::Config* config);
// disable_after counts from the call. FAILED_PRECONDITION: see WeightForShare().
absl::Status EditConfig(const v1::SetBackendRequest& request, v1::Config* config);
absl::Status EditConfig(const v1::SwitchVipRequest& request, v1::Config* config);

}  // namespace guideway

#endif  // GUIDEWAY_CONTROLPLANE_SERVER_EDITS_H_
