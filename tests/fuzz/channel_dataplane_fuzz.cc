// The data plane's end of the channel against control planes that do anything: say any Hello, write
// anything into the shared memory, hang up at any time. It never reads more than a ring holds,
// leaks no descriptor, and afterwards a well-behaved control plane is served.
//
// Input: steps, each a type (1 byte, modulo) and operands; see Step().
#include <poll.h>
#include <sys/socket.h>

#include "lib/channel/controlplane_end.h"
#include "lib/channel/dataplane_end.h"
#include "lib/channel/handshake.h"
#include "lib/channel/unix_socket.h"
#include "tests/fuzz/hostile_peer.h"
#include "tests/unit/base/temporary_directory.h"

namespace guideway::channel {
namespace {

constexpr uint32_t kCapacity = 4;
constexpr size_t kClients = 3;
constexpr int kMaxSteps = 100;
constexpr Capacities kCapacities{.request_capacity = kCapacity,
                                 .response_capacity = kCapacity,
                                 .arena_slot_count = 1,
                                 .arena_slot_bytes = 64};

struct Client {
  UniqueFd socket;
  SharedMemory memory;
  UniqueFd doorbells[2];
  bool attached = false;
};

class Attack {
 public:
  Attack(DataplaneEnd* end, const std::string& path) : end_(*end), path_(path) {}

  void Run(fuzz::Input input) {
    for (int i = 0; i < kMaxSteps && !input.empty(); ++i) Step(input);
  }

 private:
  void Step(fuzz::Input& input) {
    const uint8_t step = input.U8();
    Client& client = clients_[step / 16 % kClients];
    switch (step % 16) {
      case 0:
        if (auto socket = ConnectTo(path_); socket.ok()) client.socket = *std::move(socket);
        break;
      case 1:
        SayHello(client, input);
        break;
      case 2:
        end_.HandleEvents();
        break;
      case 3:
        Attach(client);
        break;
      case 4:
        if (client.attached) fuzz::PokeIndices(client.memory.request_ring(), input);
        break;
      case 5:
        if (client.attached) fuzz::PokeIndices(client.memory.response_ring(), input);
        break;
      case 6:
        if (client.attached) {
          fuzz::PokeBytes(client.memory.request_ring(), RingBytes<Request>(kCapacity), input);
        }
        break;
      case 7:
        if (client.attached) RingDoorbell(client.doorbells[0].get());
        break;
      case 8:
        Read(input.U8() % (2 * kCapacity));
        break;
      case 9:
        Respond(input.U8() % (2 * kCapacity));
        break;
      case 10:
        if (client.attached)
          fcntl(client.doorbells[input.U8() % 2].get(), F_SETFL, input.U16() & 1 ? O_NONBLOCK : 0);
        break;
      default:
        client = Client{};
    }
  }

  void SayHello(Client& client, fuzz::Input& input) {
    if (!client.socket.valid()) return;
    struct {
      Hello hello;
      uint8_t more[64] = {};
    } packet;
    packet.hello.sizes = OwnSizes();
    uint8_t* bytes = reinterpret_cast<uint8_t*>(&packet);
    const size_t at = input.U8() % sizeof(Hello);
    const std::vector<uint8_t> changed = input.Bytes(input.U8() % (sizeof(Hello) - at + 1));
    std::copy(changed.begin(), changed.end(), bytes + at);
    const size_t off = input.U8();  // from the right length
    const size_t length = std::min(sizeof(packet), (sizeof(Hello) + off) % 256);
    SendPacket(client.socket.get(), {bytes, length}, {}).IgnoreError();
  }

  void Attach(Client& client) {
    if (!client.socket.valid() || client.attached) return;
    Welcome welcome;
    auto packet = ReceivePacket(client.socket.get(), BytesOf(&welcome));
    if (!packet.ok() || packet->bytes == 0) return;
    FUZZ_CHECK(packet->bytes == sizeof(Welcome));
    FUZZ_CHECK(std::memchr(welcome.refusal, 0, sizeof(welcome.refusal)) != nullptr);
    FUZZ_CHECK((welcome.accepted == 0) == (welcome.refusal[0] != 0));
    FUZZ_CHECK(packet->descriptors.size() == (welcome.accepted == 1 ? 3 : 0));
    if (welcome.accepted == 0) return;
    auto memory = SharedMemory::Attach(std::move(packet->descriptors[0]), kCapacities);
    FUZZ_CHECK(memory.ok());
    client.memory = *std::move(memory);
    client.doorbells[0] = std::move(packet->descriptors[1]);
    client.doorbells[1] = std::move(packet->descriptors[2]);
    client.attached = true;
  }

  void Read(size_t room) {
    std::vector<Request> requests(room);
    const auto count = end_.ReadRequests(absl::MakeSpan(requests));
    FUZZ_CHECK(count.ok() == end_.connected());
    FUZZ_CHECK(!count.ok() || *count <= std::min<size_t>(room, kCapacity));
  }

  void Respond(size_t count) {
    const std::vector<Response> responses(count);
    const absl::Status status = end_.SendResponses(responses);
    FUZZ_CHECK(status.ok() == end_.connected());
  }

  DataplaneEnd& end_;
  const std::string& path_;
  Client clients_[kClients];
};

// Handles events until there are none, which must come to an end.
void Settle(DataplaneEnd& end) {
  pollfd readable = {end.fd(), POLLIN, 0};
  for (int i = 0; poll(&readable, 1, 0) > 0; ++i) {
    FUZZ_CHECK(i < 100);
    end.HandleEvents();
  }
}

// Everyone has hung up: the next control plane finds the place free and everything in order.
void CheckSuccessor(DataplaneEnd& end, const std::string& path) {
  Settle(end);
  FUZZ_CHECK(!end.connected() && end.arena().slot_count == 0 && end.counters() == nullptr);
  auto peer = ControlplaneEnd::Connect(path);
  FUZZ_CHECK(peer.ok());
  for (int i = 0; i < 8 && !end.connected(); ++i) end.HandleEvents();
  const auto ready = (*peer)->FinishHandshake();
  FUZZ_CHECK(ready.ok() && *ready);
  Request request;
  request.type = MessageType::kAbort;
  FUZZ_CHECK((*peer)->Send(request).ok());
  FUZZ_CHECK(end.HandleEvents().requests);
  Request requests[2];
  const auto read = end.ReadRequests(absl::MakeSpan(requests));
  FUZZ_CHECK(read.ok() && *read == 1 && requests[0].type == MessageType::kAbort);
  Response response;
  response.sequence = requests[0].sequence;
  FUZZ_CHECK(end.SendResponses({&response, 1}).ok());
  Response responses[2];
  const auto polled = (*peer)->PollResponses(absl::MakeSpan(responses));
  FUZZ_CHECK(polled.ok() && *polled == 1);
  peer->reset();
  Settle(end);
  FUZZ_CHECK(!end.connected());
}

}  // namespace
}  // namespace guideway::channel

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace guideway;           // NOLINT(google-build-using-namespace): one function
  using namespace guideway::channel;  // NOLINT(google-build-using-namespace)
  static const TemporaryDirectory directory;
  static const std::string path = directory.File("channel");
  static const auto end = DataplaneEnd::Listen(
      {.socket_path = path, .capacities = kCapacities, .worker_count = 1, .ports = {}, .log = {}});
  FUZZ_CHECK(end.ok());
  const int descriptor = fuzz::LowestFreeDescriptor();
  Attack(end->get(), path).Run(fuzz::Input(data, size));
  CheckSuccessor(**end, path);
  FUZZ_CHECK(fuzz::LowestFreeDescriptor() == descriptor);
  return 0;
}
