// Random schedules stay within their budget, are recoverable and replay.
#include "sim/schedule/schedule.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "sim/schedule/fault_context.h"
#include "sim/schedule/schedule_options.h"
#include "sim/schedule/swarm.h"

namespace quorate::sim {
namespace {

// Writes to its disk all the time and counts the messages that it receives.
// Stops itself when its disk fails.
class Busy : public env::Transport::Receiver {
 public:
  Busy(env::Env& env, uint32_t node, uint32_t nodes, uint64_t* heard)
      : env_(env), node_(node), nodes_(nodes), heard_(heard) {
    std::vector<env::PeerAddress> peers;
    for (uint32_t i = 1; i <= nodes; ++i) {
      if (i != node) peers.push_back({NodeId(i), Address(i)});
    }
    EXPECT_TRUE(env_.transport
                    .Start({ClusterId(1), NodeId(node), StoreIncarnation(1)},
                           Address(node), peers, this)
                    .ok());
    opening_ = env_.disk.Open("log", env::Disk::OpenMode::kCreateIfAbsent,
                              [this](auto file) {
                                if (!file.ok()) return;
                                file_ = *std::move(file);
                                Write();
                              });
    Tick();
  }
  static std::string Address(uint32_t node) {
    return "n" + std::to_string(node) + ":7000";
  }
  void OnMessage(NodeId, StoreIncarnation, Buffer) override { ++*heard_; }

 private:
  void Tick() {
    const Buffer piece = Buffer::Copy("hello");
    for (uint32_t i = 1; i <= nodes_; ++i) {
      if (i == node_) continue;
      env_.transport.Send(NodeId(i), env::Lane::kControl,
                          absl::MakeConstSpan(&piece, 1));
    }
    timer_ = env_.loop.At(env_.loop.ReadClock().mono + Milliseconds(20),
                          [this] { Tick(); });
  }
  void Write() {
    const Buffer piece =
        Buffer::Copy(std::string(2000, static_cast<char>('a' + writes_ % 26)));
    const bool durable = ++writes_ % 2 == 0;
    writing_ = file_->Write(
        offset_, absl::MakeConstSpan(&piece, 1),
        durable ? env::Durability::kDurable : env::Durability::kLater,
        [this, durable](absl::Status status) {
          if (!status.ok()) return;
          if (writes_ % 100 == 0) env_.tracer.Sometimes("busy.many_writes");
          if (writes_ % 8 == 0) {
            opening_ = env_.disk.Open(
                "other", env::Disk::OpenMode::kCreateIfAbsent, [](auto) {});
          }
          offset_ = (offset_ + 2000) % 100000;
          if (durable) {
            Read();
          } else {
            writing_ = file_->Sync([this](absl::Status synced) {
              if (synced.ok()) WriteLater();
            });
          }
        });
  }
  void Read() {
    reading_ = file_->Read(0, 4096, [this](auto) { WriteLater(); });
  }
  void WriteLater() {
    pause_ = env_.loop.At(env_.loop.ReadClock().mono + Milliseconds(10),
                          [this] { Write(); });
  }

  env::Env& env_;
  const uint32_t node_;
  const uint32_t nodes_;
  uint64_t* const heard_;
  std::unique_ptr<env::File> file_;
  env::Pending opening_;
  env::Pending writing_;
  env::Pending reading_;
  env::Pending pause_;
  env::Pending timer_;
  uint64_t offset_ = 0;
  uint64_t writes_ = 0;
};

constexpr uint32_t kNodes = 5;

struct Outcome {
  Hash128 hash;
  Tape tape;
  std::vector<MachineId> healed;
  std::vector<uint64_t> heard = std::vector<uint64_t>(kNodes);  // At the end.
  std::vector<uint64_t> heard_before = std::vector<uint64_t>(kNodes);
  TraceHash::Counts faults;
  bool all_running = false;
  size_t hits = 0;  // At marks.
  size_t post_heal_faults = 0;
  size_t late_hits = 0;  // At marks, after all nodes were healed.
};

std::vector<std::vector<MachineId>> Groups() {
  return {{MachineId(1), MachineId(2), MachineId(3)},
          {MachineId(2), MachineId(3), MachineId(4)},
          {MachineId(3), MachineId(4), MachineId(5)}};
}

// Names of damaged files by node; an empty name stands for an erased disk.
using DamagedFiles = std::map<MachineId, std::multiset<std::string>>;

// A run in which the second disk may be damaged from the fifth second on.
DamagedFiles DamageSecond(uint64_t seed, FaultBudget budget) {
  World world({.seed = seed});
  std::vector<MachineId> nodes;
  for (uint32_t i = 1; i <= kNodes; ++i) nodes.push_back(world.AddMachine());
  for (const MachineId node : nodes) world.PutDiskFile(node, "log", "bytes");
  DamagedFiles damaged;
  ScheduleOptions plan{.nodes = nodes, .groups = Groups(), .budget = budget};
  plan.length = Seconds(20);
  plan.family_on = Ratio{1, 1};
  plan.without = OtherFaultFamilies(
      {FaultFamily::kDiskRot, FaultFamily::kDiskWipe, FaultFamily::kDiskError});
  plan.damage_limit = [](MachineId, std::string_view) { return uint64_t{5}; };
  plan.may_damage = [&world, nodes](MachineId machine) {
    return machine == nodes[1] && world.now() >= SimTime() + Seconds(5);
  };
  plan.on_damaged = [&](MachineId machine, const std::string& file) {
    EXPECT_GE(world.now(), SimTime() + Seconds(5));
    damaged[machine].insert(file);
  };
  Schedule schedule(&world, std::move(plan));
  schedule.Begin();
  for (const MachineId node : nodes) world.Start(node, nullptr);
  world.RunFor(Seconds(20));
  return damaged;
}

TEST(Schedule, DiskThatMayBeDamagedLater_IsTheOnlyOne) {
  bool rots = false;
  bool erased = false;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    const DamagedFiles damaged = DamageSecond(seed, {.disks_lost = 2});
    for (const auto& [machine, files] : damaged) {
      EXPECT_EQ(machine, MachineId(2)) << "seed " << seed;
      rots |= files.contains("log");
      erased |= files.contains("");
      EXPECT_LE(files.count(""), 2u) << "seed " << seed;
    }
  }
  EXPECT_TRUE(rots);
  EXPECT_TRUE(erased);
}

TEST(Schedule, BudgetWithoutDamagedDisks_SparesThem) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    EXPECT_TRUE(DamageSecond(seed, {.disks_damaged = 0}).empty())
        << "seed " << seed;
  }
}

Outcome RunOnce(uint64_t seed, const Tape* tape, Ratio family_on = {1, 2},
                bool needs_all_nodes = false, uint32_t lacks_voter = 0) {
  Outcome outcome;
  WorldOptions options;
  options.seed = seed;
  options.replay = tape;
  options.record = tape == nullptr;
  World world(options);
  std::vector<MachineId> nodes;
  for (uint32_t i = 1; i <= kNodes; ++i) nodes.push_back(world.AddMachine());
  ScheduleOptions plan{.nodes = nodes, .groups = Groups()};
  plan.length = Seconds(20);
  plan.family_on = family_on;
  plan.needs_all_nodes = [needs_all_nodes] { return needs_all_nodes; };
  plan.lacks_voter = [lacks_voter](MachineId machine) {
    return machine.value() == lacks_voter;
  };
  plan.stop = [&world](MachineId machine) {
    const uint64_t incarnation = world.incarnation(machine);
    world.At(world.now() + Seconds(9), [&world, machine, incarnation] {
      if (world.incarnation(machine) != incarnation) return;
      if (world.running(machine)) world.Crash(machine, CrashKind::kProcess);
    });
  };
  plan.budget.disks_lost = 1;
  plan.damage_limit = [](MachineId, std::string_view) {
    return uint64_t{8192};
  };
  plan.put_back = [](MachineId, const auto&) { return true; };
  plan.spoil_state = [](MachineId, uint64_t) { return true; };
  Schedule schedule(&world, std::move(plan));
  schedule.Begin();
  for (uint32_t i = 1; i <= kNodes; ++i) {
    uint64_t* heard = &outcome.heard[i - 1];
    world.Start(MachineId(i), [i, heard](env::Env& env) {
      return std::make_shared<Busy>(env, i, kNodes, heard);
    });
  }
  world.RunFor(Seconds(20));
  outcome.healed = schedule.BeginLiveness();
  world.RunFor(Seconds(6));
  outcome.heard_before = outcome.heard;
  world.RunFor(Seconds(2));
  const std::vector<uint64_t> heard = outcome.heard;
  const size_t before = world.story().size();
  schedule.HealAll();
  outcome.all_running = true;
  for (MachineId node : nodes) outcome.all_running &= world.running(node);
  world.RunFor(Seconds(10));
  for (MachineId node : nodes) outcome.all_running &= world.running(node);
  outcome.heard = heard;
  outcome.hash = world.trace_hash();
  outcome.tape = world.tape();
  outcome.faults = world.fault_counts();
  for (size_t i = 0; i < world.story().size(); ++i) {
    const std::string& what = world.story()[i].detail;
    const bool hit = what.find(" is hit at busy.") != std::string::npos;
    outcome.hits += hit;
    outcome.late_hits += hit && i >= before;
    outcome.post_heal_faults += what.starts_with("post-heal fault");
  }
  EXPECT_TRUE(world.violations().empty()) << world.violations()[0];
  for (const auto& group : Groups()) {
    int broken = 0;
    int sound = 0;
    for (MachineId node : group) {
      const auto& b = schedule.disk_fault_targets();
      broken += std::count(b.begin(), b.end(), node);
      sound +=
          std::count(outcome.healed.begin(), outcome.healed.end(), node) > 0 &&
          !schedule.damaged().contains(node);
    }
    EXPECT_LE(broken, 1);
    EXPECT_GE(sound, 2);
  }
  return outcome;
}

TEST(Schedule, SameSeed_GivesTheSameRunAndSoDoesItsTape) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    const Outcome first = RunOnce(seed, nullptr);
    const Outcome second = RunOnce(seed, nullptr);
    EXPECT_EQ(first.hash, second.hash) << "seed " << seed;
    const Outcome replayed = RunOnce(0, &first.tape);
    EXPECT_EQ(first.hash, replayed.hash) << "seed " << seed;
  }
}

// A cluster is founded by all its nodes.
TEST(Schedule, Liveness_HealsAllNodesIfThereIsNoMajorityYet) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    const Outcome outcome =
        RunOnce(seed, nullptr, {1, 2}, /*needs_all_nodes=*/true);
    EXPECT_EQ(outcome.healed.size(), kNodes) << "seed " << seed;
  }
}

// Node 3 is a member of all groups, so the other two of each are needed.
TEST(Schedule, Liveness_HealsAMajorityWithoutNodesThatLackAVoter) {
  size_t without = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const Outcome outcome = RunOnce(seed, nullptr, {1, 2},
                                    /*needs_all_nodes=*/false,
                                    /*lacks_voter=*/3);
    for (const uint32_t node : {1, 2, 4, 5}) {
      EXPECT_EQ(std::ranges::count(outcome.healed, MachineId(node)), 1)
          << "seed " << seed;
    }
    without += outcome.healed.size() == 4 ? 1 : 0;
  }
  EXPECT_GT(without, 0u);
}

TEST(Schedule, Liveness_HealedNodesRunAndAreConnected) {
  size_t smaller = 0;
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    const Outcome outcome = RunOnce(seed, nullptr);
    smaller += outcome.healed.size() < kNodes ? 1 : 0;
    for (MachineId node : outcome.healed) {
      // Each other healed node sends 50 messages a second, for two seconds.
      const size_t i = node.value() - 1;
      EXPECT_GE(outcome.heard[i] - outcome.heard_before[i],
                90 * (outcome.healed.size() - 1))
          << "seed " << seed << " node " << node;
    }
    EXPECT_TRUE(outcome.all_running) << "seed " << seed;
  }
  EXPECT_GT(smaller, 10u);
}

TEST(Schedule, ASwarm_ReachesEveryFaultItCan) {
  std::set<std::string> reached;
  for (uint64_t seed = 1; seed <= 80; ++seed) {
    const Outcome outcome = RunOnce(seed, nullptr);
    for (const auto& [name, count] : outcome.faults) reached.insert(name);
  }
  for (size_t i = 0; i < kFaultKinds; ++i) {
    const auto fault = static_cast<Fault>(i);
    const std::string name(FaultName(fault));
    // This program opens no stream, has no buggify point and sends little.
    // There are no clients.
    if (name.starts_with("client_") || name.starts_with("stream_") ||
        name.starts_with("connect_") || fault == Fault::kBuggify ||
        fault == Fault::kMessageOverflow) {
      continue;
    }
    EXPECT_TRUE(reached.contains(name)) << name;
  }
}

TEST(Schedule, ASwarm_HitsAtMarksAndOnceMoreAfterHealing) {
  size_t hit = 0;
  size_t late = 0;
  size_t with_post_heal_faults = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const Outcome outcome = RunOnce(seed, nullptr);
    hit += outcome.hits > 0 ? 1 : 0;
    late += outcome.late_hits > 0 ? 1 : 0;
    with_post_heal_faults += outcome.post_heal_faults > 0 ? 1 : 0;
  }
  EXPECT_GE(hit, 10u);
  EXPECT_GE(late, 5u);
  EXPECT_GE(with_post_heal_faults, 10u);
}

// Reaches a mark every second. Makes few calls besides until `working` is true.
class Idle {
 public:
  Idle(env::Env& env, const bool* working) : env_(env), working_(*working) {
    Tick();
  }

 private:
  void Tick() {
    for (int i = 0; working_ && i < 50; ++i) {
      other_ = env_.loop.At(MonoTime::Max(), [] {});
    }
    env_.tracer.Sometimes("idle.tick");
    timer_ = env_.loop.At(env_.loop.ReadClock().mono + Seconds(1),
                          [this] { Tick(); });
  }

  env::Env& env_;
  const bool& working_;
  env::Pending other_;
  env::Pending timer_;
};

// The pause of a trigger comes after so many calls, which an idle node makes
// long after the last fault.
TEST(Schedule, PauseOfAnIdleNode_EndsWithTheFaultsAfterHealing) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    World world({.seed = seed});
    bool working = false;
    std::vector<MachineId> nodes;
    for (uint32_t i = 1; i <= kNodes; ++i) nodes.push_back(world.AddMachine());
    ScheduleOptions plan{.nodes = nodes, .groups = Groups()};
    plan.length = Seconds(1);
    plan.family_on = {1, 1};
    Schedule schedule(&world, std::move(plan));
    schedule.Begin();
    for (MachineId node : nodes) {
      world.Start(node, [&working](env::Env& env) {
        return std::make_shared<Idle>(env, &working);
      });
    }
    world.RunFor(Seconds(1));
    schedule.BeginLiveness();
    world.RunFor(Seconds(1));
    schedule.HealAll();
    world.RunFor(kPostHealEnd);
    const auto pauses = [&world] {
      const auto count = world.fault_counts().find("pause_in_turn");
      return count == world.fault_counts().end() ? 0 : count->second;
    };
    const uint64_t before = pauses();
    working = true;
    world.RunFor(Seconds(3));
    EXPECT_EQ(pauses(), before) << "seed " << seed;
  }
}

// A host that several nodes share is drawn once, so that they fail together
// again and again.
TEST(Schedule, NodesOfAHost_FailTogetherAndAreTheSameInTheWholeRun) {
  size_t runs_with_shared_hosts = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    World world({.seed = seed});
    std::vector<MachineId> nodes;
    for (uint32_t i = 1; i <= kNodes; ++i) nodes.push_back(world.AddMachine());
    FaultContext context(&world, {.nodes = nodes, .groups = Groups()});
    Swarm swarm(&context);
    swarm.Draw();
    bool shared = false;
    for (const MachineId node : nodes) {
      const std::vector<MachineId> host = swarm.OnHostOf(node);
      const std::vector<MachineId> rack = swarm.InRackOf(node);
      EXPECT_EQ(std::count(host.begin(), host.end(), node), 1);
      shared |= host.size() > 1;
      for (const MachineId other : host) {
        EXPECT_EQ(swarm.OnHostOf(other), host);
        EXPECT_EQ(std::count(rack.begin(), rack.end(), other), 1);
      }
    }
    runs_with_shared_hosts += shared;
  }
  EXPECT_GT(runs_with_shared_hosts, 30u);
  EXPECT_LT(runs_with_shared_hosts, 95u);
}

TEST(Schedule, NoFamilyOn_IsAWorldOfDefaultChoices) {
  const Outcome outcome = RunOnce(1, nullptr, {0, 1});
  EXPECT_TRUE(outcome.faults.empty());
  for (uint64_t heard : outcome.heard) EXPECT_GT(heard, 5000u);
}

TEST(Schedule, AnyTapeLineDeleted_StillGivesAValidRun) {
  const Outcome recorded = RunOnce(3, nullptr);
  std::vector<size_t> lines;
  for (size_t i = 0; i < recorded.tape.choices.size(); ++i) {
    const std::string& site = recorded.tape.choices[i].site;
    if (site.starts_with("s")) lines.push_back(i);  // swarm., schedule.
  }
  ASSERT_GT(lines.size(), 20u);
  for (size_t i = 0; i < lines.size(); i += 1 + lines.size() / 40) {
    Tape shorter = recorded.tape;
    shorter.choices.erase(shorter.choices.begin() + lines[i]);
    RunOnce(0, &shorter);  // Has the expectations of every run.
  }
}

}  // namespace
}  // namespace quorate::sim
