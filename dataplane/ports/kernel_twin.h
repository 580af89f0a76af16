// The kernel twin of a NIC that the kernel cannot see: a TAP interface with the NIC's MAC address.
//
//   worker: not for a VIP -> to_kernel ring -> manager -> TAP -> kernel
//   kernel -> TAP -> manager -> from_kernel ring -> worker 0 -> NIC
//
// Workers only touch the rings, so they never make a system call. Rings: to_kernel has many
// producers (workers) and one consumer (manager), from_kernel one of each.
#ifndef GUIDEWAY_DATAPLANE_PORTS_KERNEL_TWIN_H_
#define GUIDEWAY_DATAPLANE_PORTS_KERNEL_TWIN_H_

#include <rte_mbuf.h>
#include <rte_ring.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "lib/base/unique_fd.h"
#include "lib/net/address.h"

namespace guideway {

class KernelTwin {
 public:
  // Creates and raises the TAP. Packets from the kernel take buffers from `mempool` (borrowed).
  static absl::StatusOr<std::unique_ptr<KernelTwin>> Create(const std::string& interface_name,
                                                            const MacAddress& mac,
                                                            uint16_t mtu_bytes,
                                                            rte_mempool* mempool);
  ~KernelTwin();
  KernelTwin(const KernelTwin&) = delete;
  KernelTwin& operator=(const KernelTwin&) = delete;

  // Whether the TAP is still there (ip link del takes it away), and makes it anew. Manager.
  bool IsAttached() const;
  absl::Status Renew();
  // The TAP's, whatever it is called and wherever it is now.
  uint32_t interface_index() const { return interface_index_; }

  // Any worker. Returns how many were taken; the caller keeps the rest.
  uint32_t EnqueueToKernel(rte_mbuf** packets, uint32_t count) {
    return rte_ring_enqueue_burst(to_kernel_, reinterpret_cast<void**>(packets), count, nullptr);
  }
  // Worker 0.
  uint32_t DequeueFromKernel(rte_mbuf** packets, uint32_t count) {
    return rte_ring_sc_dequeue_burst(from_kernel_, reinterpret_cast<void**>(packets), count,
                                     nullptr);
  }
  // Manager: moves what waits, at most a few hundred packets each way; true if anything moved.
  bool Poll();
  // The workers' half of Poll() only; true if anything moved.
  bool MoveToKernel();

  // As it was made.
  const std::string& interface_name() const { return interface_name_; }
  uint64_t from_kernel_packets() const { return from_kernel_packets_; }
  // Lost between the worker's ring and the kernel (TAP queue full) or the other way (ring full).
  uint64_t lost_packets() const { return lost_packets_; }

 private:
  KernelTwin() = default;
  bool MoveFromKernel();
  absl::Status OpenTap();

  // Constant after Create().
  std::string interface_name_;
  MacAddress mac_;
  uint16_t mtu_bytes_ = 0;
  rte_mempool* mempool_ = nullptr;
  rte_ring* to_kernel_ = nullptr;
  rte_ring* from_kernel_ = nullptr;
  // Manager only.
  UniqueFd tap_;
  uint32_t interface_index_ = 0;
  uint64_t from_kernel_packets_ = 0;
  uint64_t lost_packets_ = 0;
};

}  // namespace guideway

#endif  // GUIDEWAY_DATAPLANE_PORTS_KERNEL_TWIN_H_
