// An HTTPS server on loopback that answers GET / with 200: OpenSSL's own test server, a child.
//
// Thread safety: none needed; the child works by itself.
#ifndef GUIDEWAY_TESTS_UNIT_CONTROLPLANE_TLS_SERVER_H_
#define GUIDEWAY_TESTS_UNIT_CONTROLPLANE_TLS_SERVER_H_

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdint>
#include <string>

#include "absl/strings/numbers.h"
#include "lib/base/unique_fd.h"

namespace guideway {

class TlsServer {
 public:
  // Files in PEM form. Returns when it listens.
  TlsServer(const std::string& certificate, const std::string& key) {
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    output_.reset(ends[0]);
    const UniqueFd theirs(ends[1]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    const char* arguments[] = {"openssl", "s_server",          "-www", "-accept",   "127.0.0.1:0",
                               "-cert",   certificate.c_str(), "-key", key.c_str(), nullptr};
    const int error =
        posix_spawnp(&pid_, "openssl", &actions, nullptr, const_cast<char**>(arguments), environ);
    posix_spawn_file_actions_destroy(&actions);
    REQUIRE(error == 0);
    port_ = ReadPort();
    REQUIRE(port_ != 0);
  }
  ~TlsServer() {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  uint16_t port() const { return port_; }

 private:
  // It says "ACCEPT 127.0.0.1:PORT" once it listens. 0: it has ended.
  uint16_t ReadPort() {
    const std::string prefix = "ACCEPT 127.0.0.1:";
    std::string said;
    for (;;) {
      const size_t begin = said.find(prefix), end = said.find('\n', begin);
      if (begin != std::string::npos && end != std::string::npos) {
        const size_t number = begin + prefix.size();
        uint32_t port = 0;
        return absl::SimpleAtoi(said.substr(number, end - number), &port)
                   ? static_cast<uint16_t>(port)
                   : 0;
      }
      char buffer[256];
      const ssize_t got = read(output_.get(), buffer, sizeof(buffer));
      if (got <= 0) return 0;
      said.append(buffer, static_cast<size_t>(got));
    }
  }

  UniqueFd output_;  // open: it may say more
  pid_t pid_ = -1;
  uint16_t port_ = 0;
};

}  // namespace guideway

#endif  // GUIDEWAY_TESTS_UNIT_CONTROLPLANE_TLS_SERVER_H_
