// The contract of env/ on the real world: one process holds several
// environments and turns their loops one after the other.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "net/event_loop/clock.h"
#include "net/real_env.h"
#include "tests/contract/fixture.h"

namespace quorate::contract {
namespace {

class RealFixture final : public Fixture {
 public:
  RealFixture() {
    std::string pattern =
        std::filesystem::path(testing::TempDir()) / "contract.XXXXXX";
    root_ = mkdtemp(pattern.data());
  }
  ~RealFixture() override {
    shared_.clear();
    envs_.clear();
    std::filesystem::remove_all(root_);
  }

  env::Env& env(int index) override {
    std::unique_ptr<net::RealEnv>& real = envs_[index];
    if (real == nullptr) real = Make(index);
    return real->env();
  }
  env::Env& SharingDirectoryOf(int index) override {
    shared_.push_back(Make(index));
    return shared_.back()->env();
  }
  void Restart(int index) override {
    envs_[index].reset();
    envs_[index] = Make(index);
  }

  bool RunUntil(const std::function<bool()>& done) override {
    const MonoTime limit = net::Clock::ReadMono() + Seconds(30);
    while (!done()) {
      if (net::Clock::ReadMono() > limit) return false;
      TurnAll();
    }
    return true;
  }
  void RunFor(Duration length) override {
    const MonoTime end = net::Clock::ReadMono() + length;
    while (net::Clock::ReadMono() < end) TurnAll();
  }

  std::string FreshAddress() override {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
    getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
    close(fd);
    return "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }

 private:
  std::unique_ptr<net::RealEnv> Make(int index) {
    net::RealEnvOptions options;
    options.data_directory = root_ + "/" + std::to_string(index);
    options.name = "env-" + std::to_string(index);
    options.log_level = env::Severity::kError;
    absl::StatusOr<std::unique_ptr<net::RealEnv>> real =
        net::RealEnv::Create(options);
    EXPECT_TRUE(real.ok()) << real.status();
    return *std::move(real);
  }

  void TurnAll() {
    // Each loop waits only briefly, since the loops take turns.
    const size_t loops = envs_.size() + shared_.size();
    const Duration wait = loops > 1 ? Microseconds(200) : Milliseconds(5);
    for (auto& [index, real] : envs_) real->loop().RunTurn(wait);
    for (auto& real : shared_) real->loop().RunTurn(wait);
    if (loops == 0) usleep(1000);
  }

  std::string root_;
  std::map<int, std::unique_ptr<net::RealEnv>> envs_;
  std::vector<std::unique_ptr<net::RealEnv>> shared_;
};

std::unique_ptr<Fixture> MakeRealFixture() {
  return std::make_unique<RealFixture>();
}

INSTANTIATE_TEST_SUITE_P(Real, LoopContract, testing::Values(&MakeRealFixture));
INSTANTIATE_TEST_SUITE_P(Real, DiskContract, testing::Values(&MakeRealFixture));
INSTANTIATE_TEST_SUITE_P(Real, TransportContract,
                         testing::Values(&MakeRealFixture));
INSTANTIATE_TEST_SUITE_P(Real, StreamsContract,
                         testing::Values(&MakeRealFixture));
INSTANTIATE_TEST_SUITE_P(Real, TaskContract, testing::Values(&MakeRealFixture));

}  // namespace
}  // namespace quorate::contract
