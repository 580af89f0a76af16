// The generated headers compile under the project's own warnings, and options can be read back.
#include <catch2/catch.hpp>

#include "controlplane/api/guideway_service.grpc.pb.h"
#include "controlplane/api/guideway_service.pb.h"
#include "lib/config/guideway.pb.h"

namespace guideway {
namespace {

TEST_CASE("the schema carries its rules") {
  const auto* field = v1::Pool::descriptor()->FindFieldByName("table_size");
  REQUIRE(field != nullptr);
  CHECK(field->options().GetExtension(v1::rule).default_value() == "65537");
}

TEST_CASE("the service is named as its clients call it") {
  CHECK(std::string(v1::Guideway::service_full_name()) == "guideway.v1.Guideway");
}

}  // namespace
}  // namespace guideway
