// VIPs for fragments, and a check at the end of each case: all is accounted for, exactly once.
#ifndef GUIDEWAY_TESTS_UNIT_PATH_FRAGMENT_FIXTURE_H_
#define GUIDEWAY_TESTS_UNIT_PATH_FRAGMENT_FIXTURE_H_

#include <catch2/catch.hpp>

#include "tests/unit/path/fragment_driver.h"

namespace guideway {

// Arrays, so that tests may compare them: equal literals may be several.
inline constexpr char kVip4[] = "198.51.100.1";
inline constexpr char kVip6[] = "2001:db8:a::1";

// UDP and TCP VIPs of both families, pool 0, backends 0 to 3 (L2) behind ports 0 to 3.
struct FragmentFixture : World {
  FragmentFixture() : driver(this) {
    for (uint16_t i = 0; i < 4; ++i) {
      AddBackend(i, channel::Encapsulation::kL2, "", "203.0.113.1" + std::to_string(i))
          .next_hop.port = i;
    }
    SetPool(0, 0);
    uint32_t index = 0;
    for (const char* address : {kVip4, kVip6}) {
      for (const IpProtocol protocol : {IpProtocol::kTcp, IpProtocol::kUdp}) {
        REQUIRE(AddVip(index++, address, 80, protocol, 0));
      }
    }
  }
  ~FragmentFixture() {
    driver.Stop();
    CHECK(driver.counters().Balanced());
    CHECK(driver.counters()[Counter::received_packets] == driver.frames().size());
    for (const auto& frame : driver.frames()) CHECK(frame->ends == 1);
  }
  uint64_t Drops(DropReason reason) const { return driver.counters()[reason]; }
  uint64_t Counted(Counter counter) const { return driver.counters()[counter]; }

  FragmentDriver driver;
};

inline FragmentSpec First(const char* vip, uint32_t identification = 1) {
  FragmentSpec spec;
  spec.whole.destination = vip;
  if (vip == kVip6) spec.whole.source = "2001:db8:c::1";
  spec.identification = identification;
  return spec;
}
inline FragmentSpec Later(const char* vip, uint32_t identification = 1,
                          uint32_t offset_bytes = 1400) {
  FragmentSpec spec = First(vip, identification);
  spec.offset_bytes = offset_bytes;
  spec.more = false;
  spec.payload_bytes = 333;
  return spec;
}

inline int PortOf(const FragmentDriver::Frame* frame) {
  return frame->packet.verdict == Verdict::kForward ? frame->packet.transmit_port : -1;
}
inline bool DroppedAs(const FragmentDriver::Frame* frame, DropReason reason) {
  return frame->packet.verdict == Verdict::kDrop && frame->packet.drop_reason == reason;
}

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_PATH_FRAGMENT_FIXTURE_H_
