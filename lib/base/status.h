// Helpers around absl::Status: propagation macros and errors with a place.
//
// This build's absl::string_view is not std::string_view, so messages are built as std::string.
#ifndef GUIDEWAY_LIB_BASE_STATUS_H_
#define GUIDEWAY_LIB_BASE_STATUS_H_

#include <cerrno>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace guideway {

// An absl::Status for the errno `error`, prefixed by what was tried ("open /run/x").
absl::Status ErrnoStatus(int error, const std::string& what);

// The same status code with "<place>: " put before the message.
absl::Status Annotate(const absl::Status& status, const std::string& place);

}  // namespace guideway

#define GW_CONCAT_INNER(a, b) a##b
#define GW_CONCAT(a, b) GW_CONCAT_INNER(a, b)

#define GW_RETURN_IF_ERROR(expression)     \
  do {                                     \
    absl::Status gw_status = (expression); \
    if (!gw_status.ok()) return gw_status; \
  } while (false)

#define GW_ASSIGN_OR_RETURN(target, expression) \
  GW_ASSIGN_OR_RETURN_IMPL(GW_CONCAT(gw_result_, __LINE__), target, expression)
#define GW_ASSIGN_OR_RETURN_IMPL(result, target, expression) \
  auto result = (expression);                                \
  if (!result.ok()) return result.status();                  \
  target = std::move(result).value()

#endif  // GUIDEWAY_LIB_BASE_STATUS_H_
