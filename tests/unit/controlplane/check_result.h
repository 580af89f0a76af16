// What a command of the CLI must come to: exit code, and a text in its output.
#ifndef GUIDEWAY_TESTS_UNIT_CONTROLPLANE_CHECK_RESULT_H_
#define GUIDEWAY_TESTS_UNIT_CONTROLPLANE_CHECK_RESULT_H_

#include <catch2/catch.hpp>

#include "absl/strings/match.h"
#include "tests/unit/controlplane/test_api.h"

#define CHECK_RESULT(result, code, text)                         \
  do {                                                           \
    const guideway::TestApi::Result checked = (result);          \
    CAPTURE(checked.out, checked.err);                           \
    CHECK(checked.exit_code == (code));                          \
    CHECK(absl::StrContains(checked.out + checked.err, (text))); \
    if ((code) != 0) CHECK(checked.out.empty());                 \
  } while (false)

#endif  // GUIDEWAY_TESTS_UNIT_CONTROLPLANE_CHECK_RESULT_H_
