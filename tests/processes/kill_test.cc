// Rounds of kill -9 under load: of one node, of the leader of a group, of all
// nodes. The history of the clients must be linearizable, and every round must
// make progress.
//
//   --rounds=N   number of rounds (10)
//   --seed=N     seed of the choices (drawn at random, printed first)
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "env/random.h"
#include "gtest/gtest.h"
#include "lincheck/check/checker.h"
#include "lincheck/models/kv.h"
#include "net/event_loop/clock.h"
#include "net/real_env.h"
#include "tests/processes/cluster.h"
#include "tests/processes/load.h"

namespace quorate::tests {
namespace {

int g_rounds = 10;
uint64_t g_seed = 0;

// A history is checked after this number of rounds, and the next one begins.
constexpr int kRoundsOfOneHistory = 20;
constexpr uint64_t kProgress = 20;

class KillTest : public testing::Test {
 protected:
  KillTest() : random_(g_seed) {}

  uint64_t Draw(uint64_t bound, const char* site) {
    return random_.Below(bound, Site(site), 0, draws_++);
  }

  void StartLoad(int round) {
    LoadOptions options;
    for (int i = 0; i < cluster_.size(); ++i) {
      options.addresses.push_back(cluster_.node(i).resp);
    }
    options.prefix = "r" + std::to_string(round) + "-";
    options.seed = g_seed + round;
    load_ = std::make_unique<Load>(options);
  }

  void AwaitProgress(const char* when) {
    const uint64_t before = load_->answered();
    const MonoTime limit = net::Clock::ReadMono() + Seconds(60);
    while (load_->answered() < before + kProgress) {
      ASSERT_EQ(load_->complaint(), "");
      ASSERT_LT(net::Clock::ReadMono(), limit)
          << "no progress " << when << "\n"
          << cluster_.LogTail(0) << cluster_.LogTail(1) << cluster_.LogTail(2);
      usleep(5'000);
    }
  }

  void CheckHistory() {
    ASSERT_EQ(load_->complaint(), "");
    const lincheck::History history = load_->Stop();
    load_.reset();
    const lincheck::ModelOf<lincheck::Kv> model;
    const lincheck::Verdict verdict = lincheck::Check(history, model);
    operations_ += history.operations().size();
    ASSERT_EQ(verdict.result, lincheck::Result::kOk)
        << (verdict.counter_example.has_value()
                ? lincheck::Describe(history, model, *verdict.counter_example)
                : "undecided");
  }

  // Kills the nodes of this round. Returns their number.
  int KillSome(int round) {
    const uint64_t kind = round % 3;
    if (kind == 2) {
      for (int i = 0; i < cluster_.size(); ++i) cluster_.Kill(i, SIGKILL);
      return cluster_.size();
    }
    int victim = static_cast<int>(Draw(cluster_.size(), "victim"));
    if (kind == 1) {
      const auto slot = static_cast<uint16_t>(Draw(16384, "slot"));
      victim = cluster_.LeaderOf(slot).value_or(victim);
    }
    cluster_.Kill(victim, SIGKILL);
    return 1;
  }

  void RunRound(int round) {
    ASSERT_NO_FATAL_FAILURE(AwaitProgress("before the kill"));
    usleep(static_cast<useconds_t>(Draw(300'000, "before")));
    const int killed = KillSome(round);
    if (killed == 1) {
      ASSERT_NO_FATAL_FAILURE(AwaitProgress("with one node dead"));
    }
    usleep(static_cast<useconds_t>(Draw(200'000, "dead")));
    const absl::Status started = cluster_.StartAll();
    ASSERT_TRUE(started.ok()) << started;
    ASSERT_NO_FATAL_FAILURE(AwaitProgress("after the restart"));
  }

  const Random random_;
  uint64_t draws_ = 0;
  ProcessCluster cluster_{ProcessClusterOptions{}};
  std::unique_ptr<Load> load_;
  uint64_t operations_ = 0;
};

TEST_F(KillTest, KillNine_UnderLoad_LosesAndRepeatsNothing) {
  const absl::Status started = cluster_.StartAll();
  ASSERT_TRUE(started.ok()) << started;
  for (int round = 0; round < g_rounds; ++round) {
    if (load_ == nullptr) StartLoad(round);
    SCOPED_TRACE("round " + std::to_string(round));
    ASSERT_NO_FATAL_FAILURE(RunRound(round));
    if ((round + 1) % kRoundsOfOneHistory == 0 || round + 1 == g_rounds) {
      ASSERT_NO_FATAL_FAILURE(CheckHistory());
    }
  }
  std::printf("%d rounds, %llu operations checked\n", g_rounds,
              static_cast<unsigned long long>(operations_));
  for (const int status : cluster_.StopAll()) EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace quorate::tests

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  quorate::tests::g_seed = quorate::net::RandomSeed();
  for (int i = 1; i < argc; ++i) {
    if (std::sscanf(argv[i], "--rounds=%d", &quorate::tests::g_rounds) == 1) {
      continue;
    }
    unsigned long long seed = 0;
    if (std::sscanf(argv[i], "--seed=%llu", &seed) != 1) {
      std::fprintf(stderr, "unknown argument %s\n", argv[i]);
      return 2;
    }
    quorate::tests::g_seed = seed;
  }
  std::printf("replay: --rounds=%d --seed=%llu\n", quorate::tests::g_rounds,
              static_cast<unsigned long long>(quorate::tests::g_seed));
  std::fflush(stdout);
  return RUN_ALL_TESTS();
}
