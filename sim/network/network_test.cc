// Messages between simulated machines and their faults; crashes and pauses in
// the middle of a turn.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "sim/world/world.h"

namespace quorate::sim {
namespace {

using env::Lane;
using env::Pending;

// Two machines with transports and without programs. The test drives them.
class Pair {
 public:
  explicit Pair(const WorldOptions& options = {}) : world(options) {
    for (int i : {0, 1}) {
      machines[i] = world.AddMachine();
      world.Start(machines[i], nullptr);
      StartTransport(i);
    }
  }
  void StartTransport(int i) {
    EXPECT_TRUE(
        env(i)
            .transport
            .Start({ClusterId(1), NodeId(i + 1), StoreIncarnation(1)},
                   "n" + std::to_string(i + 1) + ":1",
                   {{NodeId(2 - i), "n" + std::to_string(2 - i) + ":1"}},
                   &inbox[i])
            .ok());
  }
  env::Env& env(int i) { return world.env(machines[i]); }
  void Send(int from, const std::string& bytes, Lane lane = Lane::kControl) {
    const Buffer piece = Buffer::Copy(bytes);
    env(from).transport.Send(NodeId(2 - from), lane,
                             absl::MakeConstSpan(&piece, 1));
  }
  // Runs `body` in a turn of machine `i`.
  void InTurn(int i, std::function<void()> body) {
    pending.push_back(env(i).loop.Defer(std::move(body)));
    world.RunFor(Microseconds(10));
  }

  class Inbox : public env::Transport::Receiver {
   public:
    void OnMessage(NodeId, StoreIncarnation, Buffer message) override {
      messages.emplace_back(message.view());
    }
    std::vector<std::string> messages;
  };

  Inbox inbox[2];
  World world;
  MachineId machines[2];
  std::vector<Pending> pending;
};

using Messages = std::vector<std::string>;

TEST(Network, LinkWithoutFaults_KeepsOrderAndTakesTheLeastLatency) {
  Pair pair;
  for (int i = 0; i < 20; ++i) pair.Send(0, std::to_string(i));
  pair.world.RunFor(Microseconds(99));
  EXPECT_TRUE(pair.inbox[1].messages.empty());
  // The first message is delivered at once, the others in one turn after it.
  pair.world.RunFor(Microseconds(10));
  ASSERT_EQ(pair.inbox[1].messages.size(), 20u);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(pair.inbox[1].messages[i], std::to_string(i));
  }
}

TEST(Network, EachFault_HappensAboutAsOftenAsAskedAndIsCounted) {
  WorldOptions options;
  options.network.loss = {1, 10};
  options.network.duplicate = {1, 10};
  options.network.reorder = {1, 10};
  options.network.replay = {1, 10};
  options.network.corrupt = {1, 10};
  Pair pair(options);
  for (int i = 0; i < 1000; ++i) {
    pair.Send(0, "message number " + std::to_string(i));
    pair.world.RunFor(Milliseconds(1));
  }
  pair.world.RunFor(Seconds(10));
  FaultCounters& faults = pair.world.faults();
  for (Fault fault : {Fault::kMessageLost, Fault::kMessageDuplicated,
                      Fault::kMessageReordered, Fault::kMessageReplayed,
                      Fault::kMessageCorrupted}) {
    EXPECT_GT(faults.count(fault), 60u) << FaultName(fault);
    EXPECT_LT(faults.count(fault), 150u) << FaultName(fault);
  }
  EXPECT_EQ(pair.inbox[1].messages.size(),
            1000 - faults.count(Fault::kMessageLost) +
                faults.count(Fault::kMessageDuplicated) +
                faults.count(Fault::kMessageReplayed));
}

TEST(Network, OldMessages_DoNotArriveWhileTheirSenderIsDownOrPaused) {
  WorldOptions options;
  options.network.replay = {1, 1};
  for (const bool dies : {false, true}) {
    Pair pair(options);
    for (int i = 0; i < 100; ++i) pair.Send(0, "message");
    pair.world.RunFor(Milliseconds(100));
    if (dies) {
      pair.world.Crash(pair.machines[0], CrashKind::kProcess);
    } else {
      pair.world.Pause(pair.machines[0]);
    }
    const size_t before = pair.inbox[1].messages.size();
    EXPECT_GE(before, 100u);
    pair.world.RunFor(Seconds(1));
    EXPECT_EQ(pair.inbox[1].messages.size(), before);
    if (dies) continue;
    pair.world.Resume(pair.machines[0]);
    pair.world.RunFor(Seconds(10));
    EXPECT_GT(pair.inbox[1].messages.size(), before);
  }
}

TEST(Network, Corruption_FlipsOneBitOfThisCopyOnly) {
  WorldOptions options;
  options.network.corrupt = {1, 1};
  Pair pair(options);
  const Buffer piece = Buffer::Copy(std::string(40, 'a'));
  pair.env(0).transport.Send(NodeId(2), Lane::kBulk,
                             absl::MakeConstSpan(&piece, 1));
  pair.world.RunFor(Seconds(1));
  EXPECT_EQ(piece.view(), std::string(40, 'a'));
  ASSERT_EQ(pair.inbox[1].messages.size(), 1u);
  int bits = 0;
  for (char c : pair.inbox[1].messages[0]) {
    bits += __builtin_popcount(static_cast<unsigned char>(c ^ 'a'));
  }
  EXPECT_EQ(bits, 1);
}

TEST(Network, BlockedLink_IsOneWayAndNests) {
  Pair pair;
  pair.world.BlockLink(pair.machines[0], pair.machines[1]);
  pair.world.BlockLink(pair.machines[0], pair.machines[1]);
  pair.Send(0, "lost");
  pair.Send(1, "arrives");
  pair.world.RunFor(Milliseconds(1));
  EXPECT_TRUE(pair.inbox[1].messages.empty());
  EXPECT_EQ(pair.inbox[0].messages, Messages{"arrives"});
  pair.world.UnblockLink(pair.machines[0], pair.machines[1]);
  EXPECT_TRUE(pair.world.blocked(pair.machines[0], pair.machines[1]));
  pair.world.UnblockLink(pair.machines[0], pair.machines[1]);
  pair.Send(0, "through");
  pair.world.RunFor(Milliseconds(1));
  EXPECT_EQ(pair.inbox[1].messages, Messages{"through"});
}

TEST(Network, MessageUnderway_IsLostInAPartitionThatBegins) {
  Pair pair;
  pair.Send(0, "lost");
  pair.world.RunFor(Microseconds(50));
  pair.world.BlockLink(pair.machines[0], pair.machines[1]);
  pair.world.RunFor(Milliseconds(1));
  EXPECT_TRUE(pair.inbox[1].messages.empty());
  EXPECT_EQ(pair.world.faults().count(Fault::kMessageBlocked), 1u);
}

TEST(Network, CloggedLink_DeliversEverythingInOrderAfterwards) {
  Pair pair;
  const SimTime until = pair.world.now() + Seconds(1);
  pair.world.ClogLink(pair.machines[0], pair.machines[1], until);
  for (const char* bytes : {"a", "b", "c"}) {
    pair.Send(0, bytes);
    pair.world.RunFor(Milliseconds(100));
  }
  pair.world.RunUntil(until - Nanoseconds(1));
  EXPECT_TRUE(pair.inbox[1].messages.empty());
  pair.world.RunFor(Milliseconds(1));
  EXPECT_EQ(pair.inbox[1].messages, (Messages{"a", "b", "c"}));
}

TEST(Network, SlowLink_TakesThatMuchLonger) {
  Pair pair;
  pair.world.SlowLink(pair.machines[0], pair.machines[1], Milliseconds(30));
  pair.Send(0, "slow");
  pair.world.RunFor(Milliseconds(30));
  EXPECT_TRUE(pair.inbox[1].messages.empty());
  pair.world.RunFor(Milliseconds(1));
  EXPECT_EQ(pair.inbox[1].messages, Messages{"slow"});
}

TEST(Network, KeyedMessages_OthersDropped_HaveTheSameOutcomes) {
  WorldOptions options;
  options.network.loss = {1, 3};
  options.message_key = [](std::string_view message) {
    return HashBytes(message);
  };
  Messages whole;
  Messages half;
  for (int step : {1, 2}) {
    Pair pair(options);
    for (int i = 0; i < 200; i += step) pair.Send(0, std::to_string(i));
    pair.world.RunFor(Seconds(1));
    (step == 1 ? whole : half) = pair.inbox[1].messages;
  }
  Messages even;
  for (const std::string& bytes : whole) {
    if ((bytes.back() - '0') % 2 == 0) even.push_back(bytes);
  }
  EXPECT_EQ(half, even);
  EXPECT_LT(half.size(), 100u);
}

// ---- Crashes and pauses at any env call

TEST(Turn, CrashAfterTheKthCall_KeepsWhatCameBeforeAndNothingElse) {
  for (uint64_t k = 1; k <= 5; ++k) {
    Pair pair;
    bool deferred = false;
    pair.InTurn(0, [&] {
      pair.world.CrashAfterCalls(pair.machines[0], k, CrashKind::kProcess);
      for (int i = 1; i <= 3; ++i) pair.Send(0, std::to_string(i));
      pair.pending.push_back(pair.env(0).loop.Defer([&] { deferred = true; }));
      pair.Send(0, "5");
      EXPECT_EQ(pair.world.running(pair.machines[0]), k > 5);
    });
    pair.world.RunFor(Seconds(1));
    Messages expected;
    for (uint64_t i = 1; i <= k; ++i) {
      if (i != 4) expected.push_back(std::to_string(i));
    }
    EXPECT_EQ(pair.inbox[1].messages, expected) << k;
    EXPECT_FALSE(deferred);
    EXPECT_FALSE(pair.world.running(pair.machines[0]));
    EXPECT_EQ(pair.world.faults().count(Fault::kCrashInTurn), 1u);
  }
}

TEST(Turn, CrashFromWithin_EndsTheProgramWhenTheCallbackReturns) {
  World world{WorldOptions()};
  const MachineId machine = world.AddMachine();
  struct Program {
    Program(World* world, MachineId self, env::Env& env, int* steps,
            bool* alive)
        : alive(alive) {
      *alive = true;
      timer = env.loop.At(MonoTime(0), [=, &env] {
        ++*steps;
        world->Crash(self, CrashKind::kProcess);
        ++*steps;
        env.loop.At(MonoTime(0), [steps] { *steps += 100; }).Cancel();
        EXPECT_TRUE(*alive);
      });
      other = env.loop.At(MonoTime(0), [steps] { *steps += 100; });
    }
    ~Program() { *alive = false; }
    bool* alive;
    Pending timer;
    Pending other;
  };
  int steps = 0;
  bool alive = false;
  world.Start(machine, [&](env::Env& env) {
    return std::make_shared<Program>(&world, machine, env, &steps, &alive);
  });
  world.RunFor(Seconds(1));
  EXPECT_EQ(steps, 2);
  EXPECT_FALSE(alive);
  EXPECT_FALSE(world.running(machine));
  world.Restart(machine);
  EXPECT_TRUE(alive);
  EXPECT_EQ(world.incarnation(machine), 2u);
}

TEST(Turn, PauseInTheMiddle_DelaysWhatFollowsAndDeathThereUndoesIt) {
  for (bool dies : {false, true}) {
    Pair pair;

    pair.InTurn(0, [&] {
      pair.world.PauseAfterCalls(pair.machines[0], 1, Milliseconds(50));

      pair.Send(0, "before");
      pair.Send(0, "after");
    });
    pair.world.RunFor(Milliseconds(20));
    EXPECT_EQ(pair.inbox[1].messages, Messages{"before"});
    if (dies) pair.world.Crash(pair.machines[0], CrashKind::kMachine);
    pair.world.RunFor(Milliseconds(40));
    EXPECT_EQ(pair.inbox[1].messages.size(), dies ? 1u : 2u);
    EXPECT_EQ(pair.world.faults().count(Fault::kPauseInTurn), 1u);
  }
}

TEST(Turn, PauseInStepOne_ShowsInTheClockOfStepTwo) {
  World world{WorldOptions()};
  const MachineId machine = world.AddMachine();
  world.Start(machine, nullptr);
  env::Env& env = world.env(machine);
  MonoTime first;
  MonoTime second;
  Pending deferred;
  Pending timer = env.loop.At(MonoTime(0), [&] {
    first = env.loop.ReadClock().mono;
    world.PauseAfterCalls(machine, 1, Milliseconds(50));
    deferred = env.loop.Defer([&] { second = env.loop.ReadClock().mono; });
  });
  world.RunFor(Seconds(1));
  EXPECT_GE(second - first, Milliseconds(50));
  EXPECT_LT(second - first, Milliseconds(51));
}

TEST(Turn, PausedMachine_KeepsItsInputsForLater) {
  Pair pair;
  bool fired = false;
  Pending timer =
      pair.env(1).loop.At(pair.env(1).loop.ReadClock().mono + Milliseconds(5),
                          [&] { fired = true; });
  pair.world.Pause(pair.machines[1]);
  pair.Send(0, "a");
  pair.Send(0, "b");
  pair.world.RunFor(Seconds(1));
  EXPECT_TRUE(pair.inbox[1].messages.empty());
  EXPECT_FALSE(fired);
  pair.world.Resume(pair.machines[1]);
  pair.world.RunFor(Milliseconds(1));
  EXPECT_EQ(pair.inbox[1].messages, (Messages{"a", "b"}));
  EXPECT_TRUE(fired);
}

TEST(Turn, InputsThatArriveWhileBusy_ShareTheNextTurn) {
  Pair pair;
  pair.world.loop_options(pair.machines[1]).turn_cost = Milliseconds(1);
  int turns = 0;
  pair.world.SetStepHook([&](MachineId machine) {
    if (machine == pair.machines[1]) ++turns;
  });
  for (int i = 0; i < 10; ++i) {
    pair.Send(0, std::to_string(i));
    pair.world.RunFor(Microseconds(20));
  }
  pair.world.RunFor(Milliseconds(10));
  EXPECT_EQ(pair.inbox[1].messages.size(), 10u);
  EXPECT_EQ(turns, 2);
  pair.world.SetStepHook(nullptr);
}

TEST(Turn, FrozenClock_FiresNoTimerUntilItAdvances) {
  World world{WorldOptions()};
  const MachineId machine = world.AddMachine();
  world.Start(machine, nullptr);
  bool fired = false;
  env::Env& env = world.env(machine);
  Pending timer = env.loop.At(env.loop.ReadClock().mono + Milliseconds(10),
                              [&] { fired = true; });
  world.RunFor(Milliseconds(5));
  world.clock(machine).SetFrozen(world.now(), true);
  world.ClockChanged(machine);
  world.RunFor(Seconds(1));
  EXPECT_FALSE(fired);
  world.clock(machine).SetFrozen(world.now(), false);
  world.ClockChanged(machine);
  world.RunFor(Milliseconds(4));
  EXPECT_FALSE(fired);
  world.RunFor(Milliseconds(2));
  EXPECT_TRUE(fired);
}

TEST(Turn, JumpedClock_FiresWhatIsDueAtOnce) {
  World world{WorldOptions()};
  const MachineId machine = world.AddMachine();
  world.Start(machine, nullptr);
  bool fired = false;
  env::Env& env = world.env(machine);
  Pending timer = env.loop.At(env.loop.ReadClock().mono + Seconds(10),
                              [&] { fired = true; });
  world.clock(machine).JumpMono(world.now(), Seconds(11));
  world.ClockChanged(machine);
  world.RunFor(Milliseconds(1));
  EXPECT_TRUE(fired);
}

TEST(World, At_RunsActionsInOrderBetweenEvents) {
  World world{WorldOptions()};
  std::string order;
  world.At(SimTime(200), [&] { order += "c"; });
  world.At(SimTime(100), [&] { order += "a"; });
  world.At(SimTime(100), [&] {
    order += "b";
    world.StopRunning();
  });
  world.RunUntil(SimTime(1000));
  EXPECT_EQ(order, "ab");
  EXPECT_EQ(world.now(), SimTime(100));
  EXPECT_TRUE(world.RunUntilIdle());
  EXPECT_EQ(order, "abc");
  EXPECT_EQ(world.events(), 0u);
}

TEST(World, Random_OfEachIncarnationIsItsOwnAndRepeats) {
  std::vector<uint64_t> seeds;
  for (int round : {1, 2}) {
    World world{WorldOptions()};
    const MachineId a = world.AddMachine();
    const MachineId b = world.AddMachine();
    std::vector<uint64_t> drawn;
    const auto note = [&drawn](env::Env& env) {
      drawn.push_back(env.random.seed());
      return nullptr;
    };
    world.Start(a, note);
    world.Start(b, note);
    world.Crash(a, CrashKind::kProcess);
    world.Restart(a);
    ASSERT_EQ(drawn.size(), 3u);
    EXPECT_NE(drawn[0], drawn[1]);
    EXPECT_NE(drawn[0], drawn[2]);
    if (round == 2) {
      EXPECT_EQ(drawn, seeds);
    }
    seeds = drawn;
  }
}

}  // namespace
}  // namespace quorate::sim
