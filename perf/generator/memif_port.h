// The generator's DPDK side: EAL on one CPU, packet buffers, and one memif port.
//
// A memif (shared-memory packet interface) is two rings of buffers in memory that two processes
// share; the "client" makes that memory, the "server" listens on the Unix socket. Packets are
// copied into and out of it. One thread uses it.
#ifndef GUIDEWAY_PERF_GENERATOR_MEMIF_PORT_H_
#define GUIDEWAY_PERF_GENERATOR_MEMIF_PORT_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

struct rte_mempool;

namespace guideway {

class MemifPort {
 public:
  struct Options {
    bool server = false;
    std::string socket;
    uint32_t cpu = 0;
    uint32_t ring_log2 = 10;       // slots of each ring; only the client's counts
    uint32_t buffer_bytes = 2048;  // of a slot; only the client's counts
  };

  // Starts DPDK for this process, once, on the calling thread, which then is bound to `cpu`.
  static absl::StatusOr<std::unique_ptr<MemifPort>> Open(const Options& options);
  ~MemifPort();
  MemifPort(const MemifPort&) = delete;
  MemifPort& operator=(const MemifPort&) = delete;

  // Until the other process is there; an error after `deadline_s`.
  absl::Status WaitForPeer(double deadline_s) const;

  uint16_t device() const { return device_; }
  rte_mempool* buffers() const { return buffers_; }

 private:
  MemifPort() = default;
  absl::Status SetUp();

  uint16_t device_ = 0;
  rte_mempool* buffers_ = nullptr;
};

}  // namespace guideway

#endif  // GUIDEWAY_PERF_GENERATOR_MEMIF_PORT_H_
