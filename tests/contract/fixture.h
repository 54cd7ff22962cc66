// tests/contract/fixture.h: the contract of env/ as tests, written against an abstract world.
//
// Each implementation of the environment supplies a Fixture and instantiates the suites; all must pass on all of them:
//
//   INSTANTIATE_TEST_SUITE_P(Sim, DiskContract, ::testing::Values(&MakeSimFixture));   // and Loop-, Transport-, StreamsContract
//
// Only what env/*.h states is tested. Nothing here assumes a turn, a clock rate or an order that the headers leave open.
#ifndef QUORATE_TESTS_CONTRACT_FIXTURE_H_
#define QUORATE_TESTS_CONTRACT_FIXTURE_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "env/env.h"
#include "gtest/gtest.h"

namespace quorate::contract {

class Fixture {
 public:
  virtual ~Fixture() = default;
  // Environments are numbered 0, 1, 2, …; each is made when it is first asked for, with an empty data directory.
  virtual env::Env& env(int index) = 0;
  // Another process on the data directory of env(index), living beside it.
  virtual env::Env& SharingDirectoryOf(int index) = 0;
  // Ends the process of env(index) and starts another on the same directory. Whatever was built on it must be gone already.
  virtual void Restart(int index) = 0;
  // Drives all environments until `done()` holds, or a time passes that only a hang takes: then false.
  virtual bool RunUntil(const std::function<bool()>& done) = 0;
  // Drives them for about so long.
  virtual void RunFor(Duration length) = 0;
  // "host:port" where nobody listens, another at each call.
  virtual std::string FreshAddress() = 0;
};

using MakeFixture = std::unique_ptr<Fixture> (*)();

class ContractTest : public ::testing::TestWithParam<MakeFixture> {
 protected:
  ContractTest() : fixture_(GetParam()()) {}

  Fixture& fixture() { return *fixture_; }
  env::Env& env(int index = 0) { return fixture_->env(index); }
  [[nodiscard]] bool RunUntil(const std::function<bool()>& done) {
    return fixture_->RunUntil(done);
  }
  // Long enough for anything that is going to happen at once.
  void Settle() { fixture_->RunFor(Milliseconds(100)); }
  // Runs `body` in step 1 of a turn of env(index).
  void InTurn(const std::function<void()>& body, int index = 0) {
    bool ran = false;
    env::Pending timer =
        env(index).loop.At(env(index).loop.ReadClock().mono, [&] {
          body();
          ran = true;
        });
    ASSERT_TRUE(RunUntil([&] { return ran; }));
  }

 private:
  const std::unique_ptr<Fixture> fixture_;
};

class LoopContract : public ContractTest {};

// With shorthands that run one operation to its end.
class DiskContract : public ContractTest {
 protected:
  static constexpr auto kDurable = env::Durability::kDurable;
  static constexpr auto kLater = env::Durability::kLater;

  absl::StatusOr<std::unique_ptr<env::File>> Open(const std::string& name,
                                                  env::Disk::OpenMode mode);
  // Fails the test if that does not work.
  std::unique_ptr<env::File> MustOpen(const std::string& name);
  absl::Status Write(env::File* file, uint64_t offset, const std::string& bytes,
                     env::Durability durability);
  absl::StatusOr<std::string> Read(env::File* file, uint64_t offset,
                                   size_t size);
  absl::Status Sync(env::File* file);
  absl::Status Truncate(env::File* file, uint64_t size);
  uint64_t Size(env::File* file);
  absl::Status Remove(const std::string& name);
  absl::Status Rename(const std::string& from, const std::string& to);
  absl::Status SyncDirectory();
  absl::Status Lock(env::Env& env, const std::string& name);
  std::vector<std::string> List();

 private:
  template <typename Issue>
  absl::Status Await(Issue&& issue);
};

class TransportContract : public ContractTest {};
class StreamsContract : public ContractTest {};

}  // namespace quorate::contract

#endif  // QUORATE_TESTS_CONTRACT_FIXTURE_H_
