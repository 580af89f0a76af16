#include "dataplane/ports/kernel_twin.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>
#include <utility>

#include "lib/base/status.h"

namespace guideway {
namespace {

constexpr uint32_t kRingEntries = 1024;
constexpr uint32_t kPollPackets = 256;  // bounds one Poll() each way

absl::Status ConfigureInterface(const std::string& name, const MacAddress& mac,
                                uint16_t mtu_bytes) {
  const UniqueFd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!control.valid()) return ErrnoStatus(errno, "socket");
  ifreq request{};
  std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
  request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
  std::memcpy(request.ifr_hwaddr.sa_data, mac.bytes.data(), mac.bytes.size());
  // A virtual device may have no address; the kernel's choice stays then.
  if (!mac.IsZero() && ioctl(control.get(), SIOCSIFHWADDR, &request) != 0) {
    return ErrnoStatus(errno, absl::StrCat("setting the MAC address of ", name));
  }
  request.ifr_mtu = mtu_bytes;
  if (ioctl(control.get(), SIOCSIFMTU, &request) != 0) {
    return ErrnoStatus(errno, absl::StrCat("setting the MTU of ", name));
  }
  if (ioctl(control.get(), SIOCGIFFLAGS, &request) != 0) {
    return ErrnoStatus(errno, absl::StrCat("reading the flags of ", name));
  }
  request.ifr_flags = static_cast<int16_t>(request.ifr_flags | IFF_UP);
  if (ioctl(control.get(), SIOCSIFFLAGS, &request) != 0) {
    return ErrnoStatus(errno, absl::StrCat("raising ", name));
  }
  return absl::OkStatus();
}

void FreeAll(rte_ring* ring) {
  void* packet = nullptr;
  while (rte_ring_dequeue(ring, &packet) == 0) rte_pktmbuf_free(static_cast<rte_mbuf*>(packet));
  rte_ring_free(ring);
}

}  // namespace

absl::StatusOr<std::unique_ptr<KernelTwin>> KernelTwin::Create(const std::string& interface_name,
                                                               const MacAddress& mac,
                                                               uint16_t mtu_bytes,
                                                               rte_mempool* mempool) {
  std::unique_ptr<KernelTwin> twin(new KernelTwin());
  twin->interface_name_ = interface_name;
  twin->mempool_ = mempool;
  twin->mac_ = mac;
  twin->mtu_bytes_ = mtu_bytes;
  GW_RETURN_IF_ERROR(twin->OpenTap());
  twin->to_kernel_ = rte_ring_create(absl::StrCat(interface_name, "_to").c_str(), kRingEntries,
                                     SOCKET_ID_ANY, RING_F_SC_DEQ);
  twin->from_kernel_ = rte_ring_create(absl::StrCat(interface_name, "_from").c_str(), kRingEntries,
                                       SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
  if (twin->to_kernel_ == nullptr || twin->from_kernel_ == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for the rings of the kernel twin ", interface_name));
  }
  return twin;
}

absl::Status KernelTwin::OpenTap() {
  UniqueFd tap(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!tap.valid()) return ErrnoStatus(errno, "open /dev/net/tun");
  ifreq request{};
  request.ifr_flags = static_cast<int16_t>(IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL);
  std::strncpy(request.ifr_name, interface_name_.c_str(), IFNAMSIZ - 1);
  if (ioctl(tap.get(), TUNSETIFF, &request) != 0) {
    return ErrnoStatus(errno, absl::StrCat("creating the kernel twin ", interface_name_));
  }
  GW_RETURN_IF_ERROR(ConfigureInterface(interface_name_, mac_, mtu_bytes_));
  tap_ = std::move(tap);
  interface_index_ = if_nametoindex(interface_name_.c_str());
  return absl::OkStatus();
}

bool KernelTwin::IsAttached() const {
  ifreq request{};
  return ioctl(tap_.get(), TUNGETIFF, &request) == 0;
}

absl::Status KernelTwin::Renew() { return OpenTap(); }

KernelTwin::~KernelTwin() {
  if (to_kernel_ != nullptr) FreeAll(to_kernel_);
  if (from_kernel_ != nullptr) FreeAll(from_kernel_);
}

bool KernelTwin::Poll() {
  const bool sent = MoveToKernel();
  const bool received = MoveFromKernel();
  return sent || received;
}

bool KernelTwin::MoveToKernel() {
  rte_mbuf* packets[kPollPackets];
  const uint32_t count = rte_ring_sc_dequeue_burst(to_kernel_, reinterpret_cast<void**>(packets),
                                                   kPollPackets, nullptr);
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t length = packets[i]->data_len;
    if (write(tap_.get(), rte_pktmbuf_mtod(packets[i], void*), length) != length) ++lost_packets_;
    rte_pktmbuf_free(packets[i]);
  }
  return count > 0;
}

bool KernelTwin::MoveFromKernel() {
  uint32_t moved = 0;
  for (; moved < kPollPackets; ++moved) {
    rte_mbuf* packet = rte_pktmbuf_alloc(mempool_);
    if (packet == nullptr) break;  // the kernel keeps it until there are buffers again
    const ssize_t length =
        read(tap_.get(), rte_pktmbuf_mtod(packet, void*), rte_pktmbuf_tailroom(packet));
    if (length <= 0) {
      rte_pktmbuf_free(packet);
      break;
    }
    packet->data_len = static_cast<uint16_t>(length);
    packet->pkt_len = static_cast<uint32_t>(length);
    if (rte_ring_sp_enqueue(from_kernel_, packet) != 0) {
      rte_pktmbuf_free(packet);
      ++lost_packets_;
      continue;
    }
    ++from_kernel_packets_;
  }
  return moved > 0;
}

}  // namespace guideway
