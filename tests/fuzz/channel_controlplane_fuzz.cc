// The control plane's end of the channel against a data plane that does anything: any Welcome, any
// descriptors, anything in the shared memory. What it accepts is in range, it never reads more than
// a ring holds, and leaks no descriptor.
//
// Input: the Welcome as changes to a right one: how many (1 byte), each place (2), length (1),
// bytes; its length off the right one (2); the descriptors: what they are (1). Then steps, each a
// type (1 byte, modulo) and operands; see Step().
#include <sys/socket.h>

#include "lib/channel/controlplane_end.h"
#include "lib/channel/handshake.h"
#include "lib/channel/unix_socket.h"
#include "tests/fuzz/hostile_peer.h"
#include "tests/unit/base/temporary_directory.h"

namespace guideway::channel {
namespace {

constexpr uint32_t kCapacity = 4;
constexpr int kMaxSteps = 100;
constexpr Capacities kCapacities{.request_capacity = kCapacity,
                                 .response_capacity = kCapacity,
                                 .arena_slot_count = 1,
                                 .arena_slot_bytes = 64};

class HostileDataplane {
 public:
  HostileDataplane(int listener, const std::string& path) {
    auto end = ControlplaneEnd::Connect(path);
    FUZZ_CHECK(end.ok());
    end_ = *std::move(end);
    socket_.reset(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    FUZZ_CHECK(socket_.valid());
    auto memory = SharedMemory::Create(kCapacities);
    FUZZ_CHECK(memory.ok());
    memory_ = *std::move(memory);
    auto request_bell = NewDoorbell();
    auto response_bell = NewDoorbell();
    FUZZ_CHECK(request_bell.ok() && response_bell.ok());
    doorbells_[0] = std::move(request_bell->ringer);
    doorbells_[1] = std::move(response_bell->listener);
    ringer_ = std::move(response_bell->ringer);
    request_listener_ = std::move(request_bell->listener);
  }

  void Run(fuzz::Input input) {
    SayWelcome(input);
    const auto ready = end_->FinishHandshake();
    FUZZ_CHECK(end_->ready() == (ready.ok() && *ready));
    if (!end_->ready()) return;
    CheckAccepted(end_->welcome());
    for (int i = 0; i < kMaxSteps && !lost_ && !input.empty(); ++i) Step(input);
  }

 private:
  void SayWelcome(fuzz::Input& input) {
    struct {
      Welcome welcome;
      uint8_t more[64] = {};
    } packet;
    Welcome& welcome = packet.welcome;
    welcome.accepted = 1;
    welcome.sizes = OwnSizes();
    welcome.request_capacity = welcome.response_capacity = kCapacity;
    welcome.arena_slot_count = kCapacities.arena_slot_count;
    welcome.arena_slot_bytes = kCapacities.arena_slot_bytes;
    uint8_t* bytes = reinterpret_cast<uint8_t*>(&packet);
    for (int i = input.U8() % 8; i > 0; --i) {
      const size_t at = input.U16() % sizeof(Welcome);
      const std::vector<uint8_t> changed = input.Bytes(input.U8());
      std::copy_n(changed.begin(), std::min(changed.size(), sizeof(Welcome) - at), bytes + at);
    }
    const size_t length = (sizeof(Welcome) + input.U16()) % (sizeof(packet) + 1);
    const uint8_t what = input.U8();  // bit 7: the memory does not begin with the Welcome
    if ((what & 128) == 0) std::memcpy(memory_.header(), &welcome, sizeof(welcome));
    const int by_kind[] = {memory_.file(), doorbells_[0].get(), doorbells_[1].get(), socket_.get()};
    const int descriptors[] = {by_kind[what & 3], by_kind[(1 ^ (what >> 2)) & 3],
                               by_kind[(2 ^ (what >> 4)) & 3]};
    const size_t count = (what & 64) != 0 ? what & 3 : 3;
    SendPacket(socket_.get(), {bytes, length}, {descriptors, count}).IgnoreError();
  }

  static void CheckAccepted(const Welcome& welcome) {
    FUZZ_CHECK(welcome.accepted == 1 && welcome.port_count <= kMaxPorts);
    FUZZ_CHECK(welcome.worker_count <= kMaxWorkers);
    for (uint32_t i = 0; i < welcome.port_count; ++i) {
      const PortInfo& port = welcome.ports[i];
      FUZZ_CHECK(std::memchr(port.name, 0, sizeof(port.name)) != nullptr);
      FUZZ_CHECK(std::memchr(port.kernel_interface, 0, sizeof(port.kernel_interface)) != nullptr);
    }
  }

  void Step(fuzz::Input& input) {
    switch (input.U8() % 16) {
      case 0:
        fuzz::PokeIndices(memory_.request_ring(), input);
        break;
      case 1:
        fuzz::PokeIndices(memory_.response_ring(), input);
        break;
      case 2:
        fuzz::PokeBytes(memory_.response_ring(), RingBytes<Response>(kCapacity), input);
        break;
      case 3:
        RingDoorbell(ringer_.get());
        break;
      case 4:
        Send();
        break;
      case 5:
        Poll(input.U8() % (2 * kCapacity));
        break;
      case 6:
        end_->ReadCounters(counters_.get());
        break;
      case 7:
        socket_.reset();
        break;
      case 8:
        end_->CheckPeer().IgnoreError();  // doorbells may be anything, also the socket itself
        break;
      case 9:
        fcntl(doorbells_[input.U8() % 2].get(), F_SETFL, 0);  // the flags are shared: now it blocks
        break;
      default:
        FUZZ_CHECK(end_->arena_slot(input.U8()).size() <= 16);
    }
  }

  void Send() {
    const auto room = end_->Room();
    FUZZ_CHECK(!room.ok() || *room <= end_->welcome().request_capacity);
    const bool sent = end_->Send(Request{}).ok();
    FUZZ_CHECK(sent == (room.ok() && *room > 0));
    FUZZ_CHECK(end_->open_requests() <= end_->welcome().response_capacity);
  }

  void Poll(size_t room) {
    std::vector<Response> responses(room);
    const uint32_t open = end_->open_requests();
    const auto count = end_->PollResponses(absl::MakeSpan(responses));
    if (!count.ok()) {
      lost_ = true;  // the caller is told to connect again
      return;
    }
    FUZZ_CHECK(*count <= room && *count <= open);
    FUZZ_CHECK(end_->open_requests() == open - *count);
  }

  std::unique_ptr<ControlplaneEnd> end_;
  const std::unique_ptr<CountersRegion> counters_ = std::make_unique<CountersRegion>();
  UniqueFd socket_;
  SharedMemory memory_;
  UniqueFd doorbells_[2];  // what the control plane is given
  UniqueFd ringer_;        // of the response doorbell
  UniqueFd request_listener_;
  bool lost_ = false;
};

}  // namespace
}  // namespace guideway::channel

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace guideway;           // NOLINT(google-build-using-namespace): one function
  using namespace guideway::channel;  // NOLINT(google-build-using-namespace)
  static const TemporaryDirectory directory;
  static const std::string path = directory.File("channel");
  static const auto listener = ListenOn(path);
  FUZZ_CHECK(listener.ok());
  const int descriptor = fuzz::LowestFreeDescriptor();
  HostileDataplane(listener->get(), path).Run(fuzz::Input(data, size));
  FUZZ_CHECK(fuzz::LowestFreeDescriptor() == descriptor);
  return 0;
}
