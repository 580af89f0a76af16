// Addresses: strict text forms and the classes the packet path asks for.
#include "lib/net/address.h"

#include <catch2/catch.hpp>

#include "lib/net/prefix.h"

namespace guideway {
namespace {

TEST_CASE("IP addresses survive a round trip through text") {
  for (const char* text : {"192.0.2.1", "0.0.0.0", "255.255.255.255", "2001:db8::1", "::", "::1",
                           "fe80::1:0:0:1", "ff02::1"}) {
    const auto address = IpAddress::Parse(text);
    REQUIRE(address.ok());
    CHECK(address->ToString() == text);
  }
  CHECK(IpAddress::Parse("2001:DB8:0:0:0:0:0:1")->ToString() == "2001:db8::1");
}

TEST_CASE("what is not exactly an address is refused and named") {
  using std::string_literals::operator""s;
  for (const std::string& text :
       {""s, "1.2.3"s, "1.2.3.4.5"s, "256.0.0.1"s, "01.2.3.4"s, " 1.2.3.4"s, "1.2.3.4 "s,
        "1.2.3.4/24"s, "0x1.2.3.4"s, "1.2.3.4\0"s, "::1%eth0"s, "1::2::3"s, "12345::"s, ":1"s,
        "::ffff:192.0.2.1"s, "::ffff:c000:201"s, "localhost"s}) {
    const auto address = IpAddress::Parse(text);
    CAPTURE(text);
    REQUIRE_FALSE(address.ok());
    CHECK(std::string(address.status().message()).find(text) != std::string::npos);
  }
}

TEST_CASE("IPv4 is held mapped, and only mapped addresses are IPv4") {
  const IpAddress v4 = IpAddress::FromIpv4(Be32(0xc0000201));
  CHECK(v4.ToString() == "192.0.2.1");
  CHECK(v4.family() == IpFamily::kIpv4);
  CHECK(v4.ipv4().host() == 0xc0000201);
  CHECK(v4.bytes[0] == 0);
  CHECK(v4.bytes[11] == 0xff);
  CHECK(IpAddress::Parse("2001:db8::1")->family() == IpFamily::kIpv6);
  CHECK(IpAddress::Parse("::c000:201")->family() == IpFamily::kIpv6);
}

TEST_CASE("classes of addresses") {
  const auto parse = [](const char* text) { return IpAddress::Parse(text).value(); };
  CHECK(parse("0.0.0.0").IsUnspecified());
  CHECK(parse("::").IsUnspecified());
  CHECK_FALSE(parse("0.0.0.1").IsUnspecified());
  CHECK_FALSE(parse("::1").IsUnspecified());
  CHECK(parse("224.0.0.0").IsMulticast());
  CHECK(parse("239.255.255.255").IsMulticast());
  CHECK_FALSE(parse("240.0.0.0").IsMulticast());
  CHECK_FALSE(parse("223.255.255.255").IsMulticast());
  CHECK(parse("ff02::1").IsMulticast());
  CHECK_FALSE(parse("fe80::1").IsMulticast());
  CHECK(parse("127.0.0.1").IsLoopback());
  CHECK(parse("127.255.255.255").IsLoopback());
  CHECK_FALSE(parse("128.0.0.1").IsLoopback());
  CHECK(parse("::1").IsLoopback());
  CHECK_FALSE(parse("::2").IsLoopback());
  CHECK_FALSE(parse("7f00::1").IsLoopback());
}

TEST_CASE("MAC addresses") {
  const auto mac = MacAddress::Parse("02:00:5E:aB:cd:0f");
  REQUIRE(mac.ok());
  CHECK(mac->ToString() == "02:00:5e:ab:cd:0f");
  CHECK_FALSE(mac->IsZero());
  CHECK(MacAddress::Parse("00:00:00:00:00:00")->IsZero());
  for (const char* text : {"", "02:00:5e:ab:cd", "02:00:5e:ab:cd:0f:01", "02-00-5e-ab-cd-0f",
                           "02:00:5e:ab:cd:0g", "2:0:5e:ab:cd:f000", "02005eabcd0f"}) {
    CAPTURE(text);
    CHECK_FALSE(MacAddress::Parse(text).ok());
  }
}

TEST_CASE("prefixes") {
  for (const char* text : {"10.255.0.0/16", "0.0.0.0/0", "10.0.0.1/32", "2001:db8::/33", "::/0",
                           "2001:db8::1/128", "10.128.0.0/9"}) {
    CAPTURE(text);
    REQUIRE(IpPrefix::Parse(text).ok());
    CHECK(IpPrefix::Parse(text)->ToString() == text);
  }
  for (const char* text :
       {"10.255.0.0", "10.255.0.0/", "10.255.0.0/33", "10.255.0.0/016", "10.255.0.0/-1", "/8",
        "10.255.0.0/15", "2001:db8::/129", "2001:db8::1/127", "10.0.0.0/8/8", "10.0.0.0/ 8"}) {
    CAPTURE(text);
    CHECK(!IpPrefix::Parse(text).ok());
  }
  const auto contains = [](const char* prefix, const char* address) {
    return IpPrefix::Parse(prefix)->Contains(IpAddress::Parse(address).value());
  };
  CHECK(contains("10.128.0.0/9", "10.255.255.255"));
  CHECK_FALSE(contains("10.128.0.0/9", "10.127.255.255"));
  CHECK(contains("10.0.0.1/32", "10.0.0.1"));
  CHECK_FALSE(contains("10.0.0.1/32", "10.0.0.0"));
  CHECK(contains("2001:db8::/33", "2001:db8:7fff::1"));
  CHECK_FALSE(contains("2001:db8::/33", "2001:db8:8000::1"));
  CHECK_FALSE(contains("::/0", "10.0.0.1"));
  CHECK(contains("0.0.0.0/0", "10.0.0.1"));
  CHECK_FALSE(contains("0.0.0.0/0", "2001:db8::1"));
}

}  // namespace
}  // namespace guideway
