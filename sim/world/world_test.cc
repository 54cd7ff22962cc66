// A world of nodes that exchange messages: determinism, crashes, tapes.
#include "sim/world/world.h"

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

// Sends a numbered message to every peer each millisecond, writes received
// messages to its disk, and echoes bytes of streams. A program on a client
// machine connects to it again and again.
class Chatter : public env::Transport::Receiver {
 public:
  Chatter(env::Env& env, uint32_t node, uint32_t nodes)
      : env_(env), node_(node), nodes_(nodes) {
    std::vector<env::PeerAddress> peers;
    for (uint32_t i = 1; i <= nodes; ++i) {
      if (i != node) peers.push_back({NodeId(i), Address(i)});
    }
    const absl::Status status = env_.transport.Start(
        {ClusterId(1), NodeId(node), StoreIncarnation(env.random.seed())},
        Address(node), peers, this);
    EXPECT_TRUE(status.ok()) << status;
    opening_ = env_.disk.Open("log", env::Disk::OpenMode::kCreateIfAbsent,
                              [this](auto file) {
                                if (!file.ok()) return;
                                file_ = *std::move(file);
                                Tick();
                              });
  }

  static std::string Address(uint32_t node) {
    return "n" + std::to_string(node) + ":7000";
  }

  void OnMessage(NodeId from, StoreIncarnation, Buffer message) override {
    ++received_;
    if (file_ == nullptr) return;
    (void)from;
    writing_ = file_->Write(offset_, absl::MakeConstSpan(&message, 1),
                            received_ % 4 == 0 ? env::Durability::kDurable
                                               : env::Durability::kLater,
                            [](absl::Status) {});
    offset_ += message.size();
  }

 private:
  void Tick() {
    const Buffer pieces[] = {Buffer::Copy("message "),
                             Buffer::Copy(std::to_string(ticks_++))};
    for (uint32_t i = 1; i <= nodes_; ++i) {
      if (i != node_)
        env_.transport.Send(NodeId(i), env::Lane::kControl, pieces);
    }
    if (env_.buggify.Fire("test.chatter")) env_.tracer.Sometimes("test.fired");
    timer_ = env_.loop.At(env_.loop.ReadClock().mono + Milliseconds(1),
                          [this] { Tick(); });
  }

  env::Env& env_;
  const uint32_t node_;
  const uint32_t nodes_;
  std::unique_ptr<env::File> file_;
  env::Pending opening_;
  env::Pending writing_;
  env::Pending timer_;
  uint64_t ticks_ = 0;
  uint64_t received_ = 0;
  uint64_t offset_ = 0;
};

WorldOptions Stormy(uint64_t seed) {
  WorldOptions options;
  options.seed = seed;
  options.network.jitter = {1, 2};
  options.network.loss = {1, 20};
  options.network.duplicate = {1, 20};
  options.network.reorder = {1, 20};
  options.network.replay = {1, 20};
  options.network.corrupt = {1, 20};
  options.network.spike = {1, 50};
  options.disk.jitter = {1, 4};
  options.disk.write_error = {1, 100};
  options.loop.hiccup = {1, 50};
  options.loop.timers_first = {1, 2};
  options.loop.shuffle = {1, 2};
  options.buggify.active = {1, 2};
  return options;
}

// Half a second of three such nodes, with crashes.
void RunStorm(World* world) {
  for (uint32_t i = 1; i <= 3; ++i) {
    const MachineId id = world->AddMachine();
    world->Start(id, [i](env::Env& env) {
      return std::make_shared<Chatter>(env, i, 3);
    });
  }
  world->RunFor(Milliseconds(100));
  world->Crash(MachineId(1), CrashKind::kMachine);
  world->CrashAfterCalls(MachineId(2), 17, CrashKind::kProcess);
  world->RunFor(Milliseconds(50));
  world->Restart(MachineId(1));
  world->Restart(MachineId(2));
  world->BlockLink(MachineId(1), MachineId(3));
  world->PauseAfterCalls(MachineId(3), 5, Milliseconds(20));
  world->CrashAtDiskOperation(MachineId(3), 9, CrashKind::kMachine);
  world->RunFor(Milliseconds(300));
}

TEST(World, SameSeed_GivesTheSameHashAlsoAfterOtherWorlds) {
  World first(Stormy(7));
  RunStorm(&first);
  World between(Stormy(8));
  RunStorm(&between);
  World second(Stormy(7));
  RunStorm(&second);
  EXPECT_EQ(first.trace_hash(), second.trace_hash());
  EXPECT_EQ(first.events(), second.events());
  EXPECT_FALSE(first.trace_hash() == between.trace_hash());
  EXPECT_GT(first.events(), 1000u);
}

// Lists the senders and numbers of the messages that it receives.
class Listener : public env::Transport::Receiver {
 public:
  using Received = std::vector<std::pair<NodeId, std::string>>;

  Listener(env::Env& env, Received* received) : received_(received) {
    EXPECT_TRUE(env.transport
                    .Start({ClusterId(1), NodeId(3), StoreIncarnation(1)},
                           Chatter::Address(3),
                           {{NodeId(1), Chatter::Address(1)},
                            {NodeId(2), Chatter::Address(2)}},
                           this)
                    .ok());
  }
  void OnMessage(NodeId from, StoreIncarnation, Buffer message) override {
    received_->push_back({from, std::string(message.view())});
  }

 private:
  Received* const received_;
};

// Returns the messages of two nodes that node 3 receives in the turn after a
// pause. Without a pause: in 20 ms, in which messages arrive in pairs.
Listener::Received Receive(uint64_t seed, Ratio shuffle, bool pause) {
  WorldOptions options;
  options.seed = seed;
  options.loop.shuffle = shuffle;
  World world(options);
  for (uint32_t i = 1; i <= 2; ++i) {
    world.Start(world.AddMachine(), [i](env::Env& env) {
      return std::make_shared<Chatter>(env, i, 3);
    });
  }
  Listener::Received received;
  const MachineId listener = world.AddMachine();
  world.Start(listener, [&](env::Env& env) {
    return std::make_shared<Listener>(env, &received);
  });
  world.RunFor(Milliseconds(10));
  received.clear();
  if (pause) world.Pause(listener);
  world.RunFor(Milliseconds(20));
  if (pause) {
    received.clear();
    world.Resume(listener);
    world.RunFor(Nanoseconds(1));
  }
  return received;
}

void ExpectAnyOrderThatKeepsEachSource(bool pause) {
  const Listener::Received fifo = Receive(1, {}, pause);
  ASSERT_GT(fifo.size(), 20u);
  size_t orders = 0;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    const Listener::Received shuffled = Receive(seed, {1, 1}, pause);
    EXPECT_EQ(shuffled.size(), fifo.size());
    orders += shuffled != fifo ? 1 : 0;
    for (const NodeId from : {NodeId(1), NodeId(2)}) {
      const auto of = [from](const Listener::Received& all) {
        std::vector<std::string> texts;
        for (const auto& [sender, text] : all) {
          if (sender == from) texts.push_back(text);
        }
        return texts;
      };
      EXPECT_EQ(of(shuffled), of(fifo));
    }
  }
  EXPECT_GE(orders, 9u);
}

TEST(World, MarkOfTheHarness_IsCountedWithoutAHook) {
  World world({.seed = 1});
  const MachineId machine = world.AddMachine();
  world.Start(machine, nullptr);
  std::vector<std::string> hooked;
  world.AddMarkHook([&](MachineId, std::string_view mark) {
    hooked.push_back(std::string(mark));
  });
  world.env(machine).tracer.Sometimes("of the program");
  world.CountMark(machine, "of the harness");
  EXPECT_EQ(hooked, std::vector<std::string>{"of the program"});
  EXPECT_EQ(world.marks().at("of the program"), 1u);
  EXPECT_EQ(world.marks().at("of the harness"), 1u);
}

TEST(World, InputsOfATurnAfterAPause_RunInAnyOrder) {
  ExpectAnyOrderThatKeepsEachSource(/*pause=*/true);
}

TEST(World, InputsThatArriveTogether_RunInAnyOrder) {
  ExpectAnyOrderThatKeepsEachSource(/*pause=*/false);
}

TEST(World, StartAfterALossOfPower_MayBeginANewClock) {
  WorldOptions options;
  World world(options);
  world.clock_options().new_at_boot = {1, 1};
  const MachineId machine = world.AddMachine();
  const auto mono = [&] { return world.clock(machine).Mono(world.now()); };
  world.Start(machine, [](env::Env&) { return std::make_shared<int>(0); });
  const MonoTime before = mono();
  world.Crash(machine, CrashKind::kProcess);
  world.Restart(machine);
  EXPECT_EQ(mono(), before);
  world.Crash(machine, CrashKind::kMachine);
  world.Restart(machine);
  EXPECT_NE(mono(), before);
  EXPECT_EQ(world.faults().count(Fault::kClockRestart), 1u);
}

// In one turn creates a file, then another one after a pause.
class Creator {
 public:
  explicit Creator(env::Env& env) : disk_(env.disk) {
    timer_ = env.loop.At(env.loop.ReadClock().mono + Milliseconds(1), [this] {
      first_ = Create("first");
      late_ = Create("late");
    });
  }

 private:
  env::Pending Create(const std::string& name) {
    return disk_.Open(name, env::Disk::OpenMode::kCreateIfAbsent, [](auto) {});
  }
  env::Disk& disk_;
  env::Pending timer_, first_, late_;
};

TEST(World, CrashAfterAPauseInATurn_ComesAtItsTime) {
  size_t created = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    World world({.seed = seed});
    const MachineId machine = world.AddMachine();
    world.Start(machine,
                [](env::Env& env) { return std::make_shared<Creator>(env); });
    world.PauseAfterCalls(machine, 1, Milliseconds(20));
    world.CrashAtDiskOperation(machine, 2, CrashKind::kProcess);
    const auto created_late = [&] {
      const std::vector<std::string> files = world.DiskFiles(machine);
      return std::count(files.begin(), files.end(), "late") > 0;
    };
    world.RunFor(Milliseconds(20));
    EXPECT_FALSE(created_late());
    world.RunFor(Milliseconds(2));
    EXPECT_FALSE(world.running(machine));
    created += created_late() ? 1 : 0;
  }
  EXPECT_GT(created, 0u);
}

// The clock was read as of the end of the first pause.
TEST(World, PauseBetweenTurns_DoesNotShortenAPause) {
  World world({.seed = 5});
  const MachineId machine = world.AddMachine();
  env::Env* env = nullptr;
  world.Start(machine, [&env](env::Env& given) {
    env = &given;
    return std::make_shared<Creator>(given);
  });
  world.PauseAfterCalls(machine, 1, Milliseconds(20));
  world.RunFor(Milliseconds(2));
  const MonoTime before = env->loop.ReadClock().mono;
  world.PauseAfterCalls(machine, 1, Milliseconds(10));
  const env::Pending call = env->loop.Defer([] {});
  EXPECT_EQ(env->loop.ReadClock().mono, before);
}

TEST(World, TheRecordOfATimer_SaysWhenItWasSet) {
  World world({.seed = 3, .keep_trace = true});
  const MachineId machine = world.AddMachine();
  world.Start(machine,
              [](env::Env& env) { return std::make_shared<Creator>(env); });
  world.RunFor(Milliseconds(5));
  std::vector<std::string> timers;
  for (const TraceRecord& record : world.trace()) {
    if (record.kind == TraceKind::kTimer) timers.push_back(record.detail);
  }
  EXPECT_EQ(timers,
            (std::vector<std::string>{"set 1.000 ms ago, due 0.000 ms ago"}));
}

// Hashes alone do not show a person how two events differ.
TEST(World, RecordsOfEveryEvent_HaveWords) {
  WorldOptions options = Stormy(7);
  options.keep_trace = true;
  World world(options);
  RunStorm(&world);
  std::set<std::string> words;
  for (const TraceRecord& record : world.trace()) {
    EXPECT_NE(record.detail, "") << record.ToString();
    words.insert(record.detail);
  }
  EXPECT_TRUE(words.contains("start 2"));
  EXPECT_TRUE(words.contains("loss of power"));
  EXPECT_TRUE(words.contains("end of the process"));
}

TEST(World, RecordingAndKeepingTheTrace_ChangeNothing) {
  World plain(Stormy(7));
  RunStorm(&plain);
  WorldOptions options = Stormy(7);
  options.record = true;
  options.keep_trace = true;
  World watched(options);
  RunStorm(&watched);
  EXPECT_EQ(plain.trace_hash(), watched.trace_hash());
  EXPECT_GT(watched.tape().choices.size(), 100u);
}

TEST(World, ReplayedTape_GivesTheSameHashWithoutDrawing) {
  WorldOptions options = Stormy(7);
  options.record = true;
  World recorded(options);
  RunStorm(&recorded);
  const Tape tape = recorded.tape();
  const auto parsed = ParseTape(FormatTape(tape));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(*parsed, tape);
  // The world's rates have no effect any more.
  WorldOptions replaying;
  replaying.seed = 12345;
  replaying.replay = &*parsed;
  replaying.network.jitter_max = options.network.jitter_max;
  World replayed(replaying);
  RunStorm(&replayed);
  EXPECT_EQ(replayed.trace_hash(), recorded.trace_hash());
  EXPECT_EQ(replayed.choices().draws(), 0u);
}

TEST(World, AnyTapeLineDeleted_StillGivesAValidRun) {
  WorldOptions options = Stormy(3);
  options.record = true;
  World recorded(options);
  RunStorm(&recorded);
  const Tape tape = recorded.tape();
  ASSERT_GT(tape.choices.size(), 100u);
  size_t changed = 0;
  for (size_t i = 0; i < tape.choices.size(); i += 7) {
    Tape shorter = tape;
    shorter.choices.erase(shorter.choices.begin() + i);
    WorldOptions replaying;
    replaying.replay = &shorter;
    World world(replaying);
    RunStorm(&world);
    EXPECT_GT(world.events(), 500u);
    if (!(world.trace_hash() == recorded.trace_hash())) ++changed;
  }
  EXPECT_GT(changed, 0u);
}

}  // namespace
}  // namespace quorate::sim
