// tests/contract/fixture.h: tests of the contract of env/, written against an
// abstract world.
//
// Each implementation of the environment supplies a Fixture and instantiates
// all suites; all must pass:
//
//   INSTANTIATE_TEST_SUITE_P(Sim, DiskContract,
//                            ::testing::Values(&MakeSimFixture));
//
// The suites test only the statements of env/*.h. They assume no length of a
// turn, no clock rate and no order that the headers leave open.
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
  // The environment of this number: 0, 1, 2, …. The first call for a number
  // creates it, with an empty data directory.
  virtual env::Env& env(int index) = 0;
  // A second process on the data directory of env(index), beside the first.
  virtual env::Env& SharingDirectoryOf(int index) = 0;
  // Ends the process of env(index) and starts another on the same directory.
  // Requires: every object that uses env(index) was destroyed.
  virtual void Restart(int index) = 0;
  // Drives all environments until `done()` holds. False if it does not hold
  // after a time that only a hang can explain.
  virtual bool RunUntil(const std::function<bool()>& done) = 0;
  // Drives all environments for about this long.
  virtual void RunFor(Duration length) = 0;
  // A "host:port" without a listener, a different one at each call.
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
  // Drives the world long enough for everything that happens without delay.
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

// Adds functions that run one operation to its end.
class DiskContract : public ContractTest {
 protected:
  static constexpr auto kDurable = env::Durability::kDurable;
  static constexpr auto kLater = env::Durability::kLater;

  absl::StatusOr<std::unique_ptr<env::File>> Open(
      const std::string& name, env::Disk::OpenMode mode,
      env::FileUse use = env::FileUse::kBulk);
  // Fails the test if the file cannot be opened.
  std::unique_ptr<env::File> MustOpen(const std::string& name);
  absl::Status Write(env::File* file, uint64_t offset, const std::string& bytes,
                     env::Durability durability);
  absl::StatusOr<std::string> Read(env::File* file, uint64_t offset,
                                   size_t size);
  absl::Status Sync(env::File* file);
  uint64_t Size(env::File* file);
  absl::Status Remove(const std::string& name);
  absl::Status Rename(const std::string& from, const std::string& to);
  absl::Status SyncDirectory();
  uint64_t Ask(env::Pending (env::Disk::*question)(env::File::SizeDone));
  absl::Status Lock(env::Env& env, const std::string& name);
  std::vector<std::string> List();

 private:
  template <typename Issue>
  absl::Status Await(Issue&& issue);
};

class TransportContract : public ContractTest {};
class StreamsContract : public ContractTest {};
class TaskContract : public ContractTest {};

}  // namespace quorate::contract

#endif  // QUORATE_TESTS_CONTRACT_FIXTURE_H_
