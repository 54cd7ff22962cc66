// The lock service on three machines of a simulated world, with clients on
// machines of their own and faults of all families.
#include "examples/locks/simulation.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "examples/locks/locks.h"
#include "gtest/gtest.h"
#include "raft/host/host.h"
#include "raft/service/line_server.h"
#include "raft/service/members.h"
#include "sim/harness/harness.h"

namespace quorate::examples {
namespace {

constexpr GroupId kGroup(1);
constexpr uint64_t kSeeds = 20;

// Has no leases after it starts from a snapshot.
class LosingLocks final : public Locks {
 public:
  Buffer Save() const override { return Locks().Save(); }
};

// A holder that is late gives back what another one has by then.
class LaxLocks final : public Locks {
 public:
  Buffer Apply(const raft::Entry& entry, bool wants_result) override {
    raft::Entry other = entry;
    std::vector<std::string> words =
        absl::StrSplit(std::string(entry.payload.view()), ' ');
    if (words[0] == "release" && Find(words[1]) != nullptr) {
      words[2] = absl::StrCat(Find(words[1])->token);
      other.payload = Buffer::Copy(absl::StrJoin(words, " "));
    }
    return Locks::Apply(other, wants_result);
  }
};

// Grants one token to all holders.
class EqualTokens final : public Locks {
 public:
  Buffer Apply(const raft::Entry& entry, bool wants_result) override {
    raft::Entry other = entry;
    other.index = raft::Index(1);
    return Locks::Apply(other, wants_result);
  }
};

// A server with wrong locks. Or with right ones, and a `get` that says "free"
// as soon as a lease is over by the time of the read.
template <typename T>
class WrongLockServer final : public raft::Host::Observer {
 public:
  using Done = LockServer::Done;

  WrongLockServer(env::Env& env, raft::HostOptions host, std::string address,
                  Done stopped)
      : env_(env),
        address_(std::move(address)),
        stopped_(std::move(stopped)),
        clients_(
            [this](const std::string& line, raft::LineServer::Reply reply) {
              line.starts_with("get ") ? Get(line.substr(4), std::move(reply))
                                       : Change(line, std::move(reply));
            }),
        host_(
            env, host,
            [](GroupId, const raft::Configuration&) {
              return std::make_unique<T>();
            },
            this),
        members_(host_, kGroup, host.peers) {}

  void Start(Done started) {
    host_.Start(
        [this, started = std::move(started)](absl::Status status) mutable {
          if (status.ok()) status = clients_.Listen(env_, address_);
          started(std::move(status));
        });
  }
  const raft::Host& host() const { return host_; }
  raft::Members& members() { return members_; }

 private:
  void Get(const std::string& lock, raft::LineServer::Reply reply) {
    host_.Read(kGroup, [this, lock, reply = std::move(reply)](
                           const absl::Status& status) mutable {
      if (!status.ok()) return reply("not executed: no read");
      LockAnswer answer{.done = true,
                        .now = host_.core(kGroup)->read_log_time().ms()};
      const Lease* const lease =
          static_cast<const Locks*>(host_.state_machine(kGroup))->Find(lock);
      if (lease != nullptr && lease->until > answer.now) answer.lease = *lease;
      reply(FormatLockAnswer(answer));
    });
  }
  void Change(const std::string& line, raft::LineServer::Reply reply) {
    host_.Propose(
        kGroup, Buffer::Copy(line),
        [reply = std::move(reply)](const raft::ProposeResult& result) mutable {
          const bool done = result.outcome == Outcome::kDone;
          reply(done ? std::string(result.result.view())
                     : "unknown: not applied");
        });
  }
  void OnStopped(const absl::Status& why) override { stopped_(why); }

  env::Env& env_;
  const std::string address_;
  Done stopped_;
  raft::LineServer clients_;
  raft::Host host_;
  raft::Members members_;
};

TEST(LockSimulationTest, ManySeeds_BehaveLikeLocks) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const sim::HarnessResult result =
        sim::RunSeed({.seed = seed}, SimulatedLockServer<>);
    EXPECT_TRUE(result.ok())
        << "seed " << seed << ": " << result.violations.front() << "\n"
        << result.tape;
    EXPECT_EQ(result.summary.find("not decided"), std::string::npos)
        << "seed " << seed << ": " << result.summary;
  }
}

// One of the seeds finds the mistake.
template <typename T>
void ExpectFound(std::string_view begin, uint64_t seeds = kSeeds) {
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    const sim::HarnessResult wrong =
        sim::RunSeed({.seed = seed}, SimulatedLockServer<WrongLockServer<T>>);
    if (wrong.ok()) continue;
    const std::string& violation = wrong.violations.front();
    EXPECT_TRUE(violation.starts_with(begin)) << violation;
    return;
  }
  ADD_FAILURE() << "no seed up to " << seeds << " found it";
}

TEST(LockSimulationTest, LeasesThatSnapshotsLose_AreFound) {
  ExpectFound<LosingLocks>("linearizability: ", 100);
}

TEST(LockSimulationTest, ReleasesOfOthersLeases_AreFound) {
  ExpectFound<LaxLocks>("linearizability: ");
}

TEST(LockSimulationTest, EqualTokens_AreFound) {
  ExpectFound<EqualTokens>("linearizability: ");
}

// The renewal has to be under way while another client reads.
TEST(LockSimulationTest, LeaseThatARenewalRevives_IsFound) {
  ExpectFound<Locks>("linearizability: ", 400);
}

}  // namespace
}  // namespace quorate::examples
