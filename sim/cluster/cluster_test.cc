// Actions of replicas reach the checker. Each test has a replica with false
// data, and the checker must report it through a real cluster.
#include "sim/cluster/cluster.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "env/buffer.h"
#include "env/disk.h"
#include "env/env.h"
#include "gtest/gtest.h"
#include "kv/store/store.h"
#include "node/config/config.h"
#include "node/server.h"
#include "raft/core/core.h"
#include "raft/host/bootstrap_record.h"
#include "raft/host/host.h"
#include "raft/log/end_mark.h"
#include "raft/log/identity_format.h"
#include "raft/log/record.h"
#include "raft/log/snapshot_format.h"
#include "shardctrl/controller/state.h"
#include "sim/checks/committed_states.h"
#include "sim/checks/expiry_checker.h"
#include "sim/checks/replica_checker.h"
#include "sim/cluster/cluster_checks.h"
#include "sim/cluster/mishap.h"
#include "sim/cluster/shadow_recovery.h"
#include "sim/cluster/wrong_state.h"
#include "sim/world/world.h"

namespace quorate::sim {
namespace {

constexpr GroupId kGroup(1);

// Three nodes of one group in a world without faults. With spare places, each
// entry is followed by a snapshot, and replicas hardly ever compare states.
class Small {
 public:
  explicit Small(uint64_t seed, bool bootstrap_left_on = false,
                 const node::ListenConfig& listen = {}, uint32_t spares = 0)
      : world_({.seed = seed}),
        cluster_(world_, replica_checker_,
                 {.nodes = 3,
                  .spares = spares,
                  .groups = 1,
                  .configure =
                      [listen, spares](NodeId) {
                        node::Config config;
                        config.listen = listen;
                        config.host.digest_interval = spares > 0 ? 64 : 1;
                        if (spares > 0) {
                          config.host.snapshot_threshold_bytes = 1;
                          config.host.snapshot_trailing_bytes = 0;
                          config.host.core.unwritten_bytes_max = 1;
                        }
                        return config;
                      },
                  .bootstrap_left_on = bootstrap_left_on}) {
    world_.SetStepHook(
        [this](MachineId machine) { cluster_.AfterTurn(machine); });
    cluster_.Start();
  }

  // Runs until a node other than `before` leads.
  NodeId Elect(NodeId before = NodeId()) {
    NodeId leader;
    EXPECT_TRUE(world_.RunUntilTrue([&] {
      leader = cluster_.LeaderOf(kGroup);
      return leader != NodeId() && leader != before;
    }));
    return leader;
  }
  const raft::Core& core(NodeId node) {
    return *cluster_.server(node)->host().core(kGroup);
  }
  World& world() { return world_; }
  ReplicaChecker& replica_checker() { return replica_checker_; }
  Cluster& cluster() { return cluster_; }
  // Several checkers may report the same defect.
  void ExpectFound(const std::string& words) {
    const std::vector<std::string>& found = world_.violations();
    EXPECT_TRUE(std::any_of(
        found.begin(), found.end(),
        [&](const std::string& one) { return one.starts_with(words); }))
        << (found.empty() ? "no violation" : found[0]);
  }

 private:
  World world_;
  ReplicaChecker replica_checker_{
      [this](std::string what) { world_.Violate(what); }};
  Cluster cluster_;
};

TEST(Cluster, CorrectReplicas_GiveNoViolation) {
  Small small(1);
  const NodeId first = small.Elect();
  small.world().Crash(small.cluster().machine(first), CrashKind::kMachine);
  small.Elect(first);
  small.world().Restart(small.cluster().machine(first));
  small.world().RunFor(Seconds(5));
  EXPECT_EQ(small.world().violations(), std::vector<std::string>{});
  EXPECT_GT(small.replica_checker().applied_entries(), 0u);
  // Copies of the disk follow one start of four.
  for (int i = 0; i < 20 && small.cluster().shadow_recoveries() == 0; ++i) {
    small.world().Crash(small.cluster().machine(first), CrashKind::kMachine);
    small.world().Restart(small.cluster().machine(first));
    small.world().RunFor(Seconds(1));
  }
  EXPECT_GT(small.cluster().shadow_recoveries(), 0u);
  EXPECT_EQ(small.world().violations(), std::vector<std::string>{});
}

// The transfer has sent nothing yet, so only the state of the core has it.
TEST(Cluster, StatesOfCores_AreInTheHash) {
  const auto hashes = [](bool transfers) {
    Small small(1);
    const NodeId leader = small.Elect();
    small.world().RunFor(Seconds(1));
    if (transfers) {
      raft::Host& host = small.cluster().server(leader)->host();
      host.TransferLeadership(
          kGroup, raft::ReplicaOn(host.core(kGroup)->configuration(),
                                  NodeId(leader.value() % 3 + 1)));
    }
    const std::string before = small.world().trace_hash().ToString();
    small.cluster().HashCores();
    return std::pair(before, small.world().trace_hash().ToString());
  };
  const auto idle = hashes(false);
  const auto transferring = hashes(true);
  EXPECT_EQ(idle, hashes(false));
  EXPECT_EQ(idle.first, transferring.first);
  EXPECT_NE(idle.second, transferring.second);
}

// A member is reported as leader of a term in which another one is elected
// later. The step of the other one must be a violation.
TEST(Cluster, StepOfALeaderBesideALyingOne_ReachesTheInvariants) {
  Small same(1);
  const NodeId elected = same.Elect();
  const raft::Term term = same.core(elected).term();
  auto liar = std::make_unique<Small>(2);
  NodeId other = liar->Elect();
  for (uint64_t seed = 3; other == elected || liar->core(other).term() != term;
       ++seed) {
    liar = std::make_unique<Small>(seed);
    other = liar->Elect();
  }
  Small small(1);
  small.replica_checker().OnStep(NodeId(9), kGroup, liar->core(other), {});
  EXPECT_EQ(small.world().violations(), std::vector<std::string>{});
  small.Elect();
  small.ExpectFound("group 1: election safety");
}

// A durable write is reported that the member's disk never got. Its next start
// must be a violation.
TEST(Cluster, StartOfAReplicaThatForgot_ReachesTheInvariants) {
  Small small(1);
  const NodeId leader = small.Elect();
  const NodeId follower(leader.value() % 3 + 1);
  const raft::Term term = small.core(follower).term() + 1;
  small.world().Crash(small.cluster().machine(follower), CrashKind::kProcess);
  small.replica_checker().OnWritten(follower, kGroup,
                                    {.hard_state = {.term = term}});
  EXPECT_EQ(small.world().violations(), std::vector<std::string>{});
  small.world().Restart(small.cluster().machine(follower));
  small.world().RunFor(Seconds(2));
  small.ExpectFound("group 1: durability");
}

// The node's promises are lost with its disk, so it must not take part again.
TEST(Cluster, NodeWithoutItsDisk_StaysAway) {
  Small small(1);
  const NodeId first = small.Elect();
  const MachineId machine = small.cluster().machine(first);
  small.cluster().SetErased(
      [machine](MachineId one) { return one == machine; });
  small.world().Crash(machine, CrashKind::kMachine);
  small.world().EraseDisk(machine);
  small.world().Restart(machine);
  small.Elect(first);
  small.world().RunFor(Seconds(10));
  EXPECT_EQ(small.cluster().server(first), nullptr);
  EXPECT_EQ(small.world().violations(), std::vector<std::string>{});
}

TEST(Cluster, NodeThatStartsWithoutItsDisk_Found) {
  Small small(1);
  const NodeId first = small.Elect();
  const MachineId machine = small.cluster().machine(first);
  small.world().Crash(machine, CrashKind::kProcess);
  small.cluster().SetErased(
      [machine](MachineId one) { return one == machine; });
  small.world().Restart(machine);
  small.world().RunFor(Seconds(2));
  small.ExpectFound("identity: node");
}

// Nodes that forgot what they promised must not outvote the others, or take
// any part: their operator left `bootstrap` on.
TEST(Cluster, NodesThatBeginAgain_AreRefused) {
  for (const uint32_t lost : {1, 2}) {
    Small small(1, /*bootstrap_left_on=*/true);
    small.Elect();
    small.world().RunFor(Seconds(5));
    const auto is_lost = [&](MachineId one) { return one.value() <= lost; };
    small.cluster().SetErased(is_lost);
    for (uint32_t node = 1; node <= lost; ++node) {
      const MachineId machine = small.cluster().machine(NodeId(node));
      small.world().Crash(machine, CrashKind::kMachine);
      small.world().EraseDisk(machine);
      small.world().Restart(machine);
    }
    small.world().RunFor(Seconds(10));
    for (uint32_t node = 1; node <= lost; ++node) {
      EXPECT_EQ(small.cluster().server(NodeId(node)), nullptr);
    }
    EXPECT_EQ(small.world().violations(), std::vector<std::string>{});
    if (lost == 1) small.Elect();
  }
}

// Damage of which the checker knows nothing stands for a replica that refuses
// its own files.
TEST(Cluster, ReplicaThatDoesNotStart_Found) {
  Small small(1);
  const MachineId machine = small.cluster().machine(small.Elect());
  // The records of the first life are known to be durable in the second.
  small.world().Crash(machine, CrashKind::kProcess);
  small.world().Restart(machine);
  small.world().RunFor(Seconds(2));
  small.world().Crash(machine, CrashKind::kProcess);
  bool damaged = false;
  for (const std::string& file : small.world().DiskFiles(machine)) {
    const uint64_t end = small.cluster().DamageLimit(machine, file);
    if (end == 0) continue;
    damaged = small.world().FlipDiskBit(machine, file, end / 2, 1);
  }
  ASSERT_TRUE(damaged);
  small.world().Restart(machine);
  small.world().RunFor(Seconds(2));
  small.ExpectFound("fenced: node");
}

// A stop in good order ends the log with a witness. So the next start must not
// take damage to the last durable write for a torn one.
TEST(Cluster, LastWriteDamagedAfterAStop_Found) {
  Small small(1);
  const NodeId leader = small.Elect();
  const MachineId machine = small.cluster().machine(leader);
  small.world().RunFor(Milliseconds(100));
  small.cluster().Stop(machine);
  ASSERT_TRUE(small.world().RunUntilTrue(
      [&] { return !small.world().running(machine); }, Seconds(1)));
  uint64_t last = 0;
  std::string segment;
  for (const std::string& file : small.world().DiskFiles(machine)) {
    const uint64_t end = small.cluster().DamageLimit(machine, file);
    if (!file.starts_with("log-") || end == 0) continue;
    segment = file;
    last = end;
  }
  ASSERT_GT(last, 0u);
  // Behind the synced offset is the witness alone.
  const std::string bytes = small.world().ReadDiskFile(machine, segment);
  EXPECT_LE(bytes.find_last_not_of('\0'), last + 48);
  ASSERT_TRUE(small.world().FlipDiskBit(machine, segment, last - 20, 1));
  small.world().Restart(machine);
  small.world().RunFor(Seconds(2));
  small.ExpectFound("fenced: node");
}

TEST(Cluster, NodeThatDoesNotStart_Found) {
  Small small(1);
  const MachineId machine = small.cluster().machine(small.Elect());
  small.world().Crash(machine, CrashKind::kProcess);
  ASSERT_TRUE(small.world().FlipDiskBit(machine, "identity", 20, 1));
  small.world().Restart(machine);
  small.world().RunFor(Seconds(1));
  small.ExpectFound("stopped: node");
}

TEST(Cluster, NodeThatListensElsewhere_Found) {
  for (const node::ListenConfig& listen :
       {node::ListenConfig{.resp = "host:1"},
        node::ListenConfig{.resp_cluster = "host:2"},
        node::ListenConfig{.http = "host:3"}}) {
    Small small(1, /*bootstrap_left_on=*/false, listen);
    small.world().RunFor(Seconds(5));
    small.ExpectFound("addresses: node");
  }
}

TEST(Cluster, NodeWhoseDiskReturnsErrors_MayFailToStart) {
  Small small(1);
  const MachineId machine = small.cluster().machine(small.Elect());
  small.world().Crash(machine, CrashKind::kProcess);
  small.world().FailDiskOperation(machine, World::DiskOperation::kRead, 1,
                                  /*persistent=*/true);
  small.world().Restart(machine);
  small.world().RunFor(Seconds(1));
  EXPECT_GT(small.world().disk_failures(machine), 0u);
  EXPECT_EQ(small.world().violations(), std::vector<std::string>{});
}

// These files of one machine are damaged. An empty name stands for all.
auto FilesOfOne(MachineId machine, Cluster::DamagedFiles files) {
  return [machine, files = std::move(files)](MachineId one) {
    return one == machine ? &files : nullptr;
  };
}

// Crashes the leader after the state of a follower has become wrong, and
// returns whether that follower leads next. The first leader starts again then.
bool WrongOneLeads(Small* small, NodeId* wrong) {
  small->Elect();
  // The first leader may give its role to the preferred node.
  small->world().RunFor(Seconds(2));
  const NodeId first = small->Elect();
  *wrong = NodeId(first.value() % 3 + 1);
  const MachineId damaged = small->cluster().machine(*wrong);
  small->cluster().SetDamaged(FilesOfOne(damaged, {""}));
  EXPECT_TRUE(small->cluster().SpoilState(damaged, 77));
  small->world().Crash(small->cluster().machine(first), CrashKind::kProcess);
  const NodeId next = small->Elect(first);
  small->world().Restart(small->cluster().machine(first));
  small->world().RunFor(Seconds(8));
  return next == *wrong;
}

TEST(Cluster, FollowerWithAWrongState_IsFencedAndReplaced) {
  NodeId wrong;
  uint64_t seed = 1;
  auto small = std::make_unique<Small>(seed);
  while (WrongOneLeads(small.get(), &wrong)) {
    small = std::make_unique<Small>(++seed);
  }
  EXPECT_EQ(small->world().marks().at("raft.wrong_state_fenced"), 1u);
  // The supervisor has started it again.
  ASSERT_NE(small->cluster().server(wrong), nullptr);
  EXPECT_EQ(small->cluster().server(wrong)->host().condition(kGroup),
            raft::Host::Condition::kWorks);
  EXPECT_EQ(small->world().violations(), std::vector<std::string>{});
}

TEST(Cluster, ReplicaWithAWrongStateThatWouldLead_IsLost) {
  NodeId wrong;
  uint64_t seed = 1;
  auto small = std::make_unique<Small>(seed);
  while (!WrongOneLeads(small.get(), &wrong)) {
    small = std::make_unique<Small>(++seed);
  }
  EXPECT_EQ(small->cluster().server(wrong), nullptr);
  EXPECT_TRUE(small->cluster().HasErasedDisk(wrong));
  EXPECT_NE(small->Elect(), wrong);
  EXPECT_EQ(small->world().violations(), std::vector<std::string>{});
}

// The groups may not spare the machine any more.
TEST(Cluster, WrongStateWhereMembersChange_IsMendedAtALeaderAndAtAStart) {
  const auto make = [](uint64_t seed) {
    return std::make_unique<Small>(seed, /*bootstrap_left_on=*/false,
                                   node::ListenConfig(), /*spares=*/1);
  };
  NodeId wrong;
  uint64_t seed = 1;
  auto small = make(seed);
  while (!WrongOneLeads(small.get(), &wrong)) small = make(++seed);
  EXPECT_FALSE(small->cluster().HasErasedDisk(wrong));
  const auto store = [&] {
    return const_cast<kv::Store*>(
        small->cluster().server(wrong)->store(kGroup));
  };
  ASSERT_NE(small->cluster().server(wrong), nullptr);
  EXPECT_FALSE(MendState(store()));
  const NodeId leader = small->Elect();
  wrong = NodeId(leader.value() % 3 + 1);
  const MachineId machine = small->cluster().machine(wrong);
  small->cluster().SetDamaged(FilesOfOne(machine, {""}));
  ASSERT_TRUE(small->cluster().SpoilState(machine, 78));
  // A new leader appends an entry. The snapshot behind it has the wrong state.
  raft::Host& host = small->cluster().server(leader)->host();
  host.TransferLeadership(kGroup,
                          raft::ReplicaOn(host.core(kGroup)->configuration(),
                                          NodeId(wrong.value() % 3 + 1)));
  small->Elect(leader);
  small->world().RunFor(Seconds(1));
  small->world().Crash(machine, CrashKind::kProcess);
  small->world().Restart(machine);
  small->world().RunFor(Seconds(8));
  EXPECT_FALSE(small->cluster().HasErasedDisk(wrong));
  ASSERT_NE(small->cluster().server(wrong), nullptr);
  EXPECT_FALSE(MendState(store()));
  EXPECT_EQ(small->world().violations(), std::vector<std::string>{});
}

// Lets `wrong` lead, whose last snapshot has a wrong state, while a replica on
// `joins` needs a snapshot. Returns false if there was another one meanwhile.
bool SendWrongSnapshot(Small* small, NodeId wrong, NodeId joins) {
  const NodeId first = small->Elect();
  World& world = small->world();
  const auto machine = [&](NodeId n) { return small->cluster().machine(n); };
  const auto host = [&](NodeId node) -> raft::Host& {
    return small->cluster().server(node)->host();
  };
  small->cluster().SetDamaged(FilesOfOne(machine(wrong), {""}));
  EXPECT_TRUE(small->cluster().SpoilState(machine(wrong), 77));
  const raft::Index spoiled = small->core(wrong).applied_index();
  host(joins).DropReplica(kGroup, [](absl::Status) {});
  const auto joined = [&] {
    const raft::Core* const core = host(joins).core(kGroup);
    return core != nullptr && core->joining();
  };
  EXPECT_TRUE(world.RunUntilTrue(joined));
  for (const NodeId n : {first, wrong}) {
    world.BlockLink(machine(n), machine(joins));
  }
  const auto known = [&] {
    const raft::Core& core = small->core(wrong);
    return core.snapshot().position.index > spoiled &&
           raft::ReplicaOn(core.configuration(), joins) ==
               small->core(joins).replica();
  };
  if (!world.RunUntilTrue(known) || small->Elect() != first) return false;
  const raft::LogPosition taken = small->core(wrong).snapshot().position;
  host(first).TransferLeadership(
      kGroup, raft::ReplicaOn(small->core(first).configuration(), wrong));
  if (small->Elect(first) != wrong) return false;
  for (const NodeId n : {first, wrong}) {
    world.UnblockLink(machine(n), machine(joins));
  }
  EXPECT_TRUE(world.RunUntilTrue([&] { return !joined(); }));
  return small->core(joins).snapshot().position == taken;
}

TEST(Cluster, WrongSnapshotWhereMembersChange_IsMendedAtAReplicaThatJoins) {
  std::unique_ptr<Small> small;
  NodeId wrong, joins;
  uint64_t seed = 0;
  do {
    ASSERT_LT(++seed, 20u);
    small = std::make_unique<Small>(seed, /*bootstrap_left_on=*/false,
                                    node::ListenConfig(), /*spares=*/1);
    small->Elect();
    small->world().RunFor(Seconds(2));
    wrong = NodeId(small->Elect().value() % 3 + 1);
    joins = NodeId(wrong.value() % 3 + 1);
  } while (!SendWrongSnapshot(small.get(), wrong, joins));
  EXPECT_FALSE(MendState(
      const_cast<kv::Store*>(small->cluster().server(joins)->store(kGroup))));
  EXPECT_EQ(small->world().violations(), std::vector<std::string>{});
}

TEST(Cluster, WrongStateWithoutAFault_Found) {
  Small small(1);
  small.Elect();
  small.world().RunFor(Seconds(2));
  const NodeId first = small.Elect();
  const NodeId wrong(first.value() % 3 + 1);
  ASSERT_TRUE(SpoilState(
      const_cast<kv::Store*>(small.cluster().server(wrong)->store(kGroup)),
      kGroup, 77));
  small.world().Crash(small.cluster().machine(first), CrashKind::kProcess);
  small.Elect(first);
  small.world().RunFor(Seconds(1));
  small.ExpectFound("digest: node");
}

// The files of a machine.
ShadowRecovery::Files FilesOf(Small& small, MachineId machine) {
  ShadowRecovery::Files files;
  for (const std::string& file : small.world().DiskFiles(machine)) {
    files.emplace_back(file, small.world().ReadDiskFile(machine, file));
  }
  return files;
}

TEST(Cluster, OlderDisk_IsPutBackOnlyIfNoVoteIsLost) {
  Small small(1);
  small.Elect();
  small.world().RunFor(Seconds(2));
  const NodeId first = small.Elect();
  const NodeId other(first.value() % 3 + 1);
  const MachineId machine = small.cluster().machine(other);
  const ShadowRecovery::Files older = FilesOf(small, machine);
  small.world().Crash(machine, CrashKind::kProcess);
  EXPECT_TRUE(small.cluster().MayPutBack(machine, older));
  small.world().Restart(machine);
  small.world().RunFor(Seconds(2));
  // A later term.
  small.world().Crash(small.cluster().machine(first), CrashKind::kProcess);
  small.Elect(first);
  small.world().Crash(machine, CrashKind::kProcess);
  EXPECT_FALSE(small.cluster().MayPutBack(machine, older));
  EXPECT_EQ(small.world().violations(), std::vector<std::string>{});
}

// Sends one write, and waits.
struct Asker : env::Connection::Observer {
  Asker(env::Env& env, const std::string& address)
      : connecting(env.streams.Connect(
            address,
            [this](absl::StatusOr<std::unique_ptr<env::Connection>> made) {
              connection = *std::move(made);
              connection->SetObserver(this);
              connection->Write(Buffer::Copy("SET k v\r\n"));
            })) {}
  void OnBytes(std::string_view) override {}
  void OnEnd() override {}
  void OnClosed(absl::Status) override {}
  void OnDrained() override {}

  std::unique_ptr<env::Connection> connection;
  const env::Pending connecting;
};

// The process dies before its disk has dropped the replica.
TEST(Cluster, OlderDiskOfAReplicaThatWasDropped_IsNoViolation) {
  Small small(1);
  small.Elect();
  small.world().RunFor(Seconds(2));
  const NodeId first = small.Elect();
  const NodeId other(first.value() % 3 + 1);
  const MachineId machine = small.cluster().machine(other);
  const ShadowRecovery::Files older = FilesOf(small, machine);
  const std::string address = small.cluster().nodes()[first.value() - 1].resp;
  small.world().Start(
      small.world().AddMachine({.name = "client", .client = true}),
      [&](env::Env& env) { return std::make_shared<Asker>(env, address); });
  small.world().RunFor(Seconds(1));
  small.world().Crash(machine, CrashKind::kProcess);
  small.replica_checker().OnDropped(other, kGroup);
  ASSERT_TRUE(small.cluster().MayPutBack(machine, older));
  for (const std::string& file : small.world().DiskFiles(machine)) {
    small.world().RemoveDiskFile(machine, file);
  }
  for (const auto& [name, bytes] : older) {
    small.world().PutDiskFile(machine, name, bytes);
  }
  small.world().Restart(machine);
  small.world().RunFor(Milliseconds(100));
  EXPECT_EQ(small.world().violations(), std::vector<std::string>{});
}

TEST(Cluster, OlderDisk_IsNotPutBackIfAMajorityNeedsIt) {
  Small small(1);
  small.Elect();
  small.world().RunFor(Seconds(2));
  const NodeId first = small.Elect();
  const MachineId machine =
      small.cluster().machine(NodeId(first.value() % 3 + 1));
  const MachineId third =
      small.cluster().machine(NodeId((first.value() + 1) % 3 + 1));
  small.cluster().SetDamaged(FilesOfOne(third, {""}));
  const ShadowRecovery::Files older = FilesOf(small, machine);
  small.world().Crash(machine, CrashKind::kProcess);
  EXPECT_FALSE(small.cluster().MayPutBack(machine, older));
}

// An entry that no program of this version knows. The replica keeps its log.
TEST(Cluster, EntryOfANewerProgram_HaltsTheReplica) {
  Small small(1);
  // Each leader writes an entry.
  for (int i = 0; i < 6; ++i) {
    const MachineId machine = small.cluster().machine(small.Elect());
    small.world().Crash(machine, CrashKind::kProcess);
    small.world().RunFor(Seconds(2));
    small.world().Restart(machine);
    small.world().RunFor(Seconds(2));
  }
  const auto mishaps = Mishaps();
  const auto entry =
      std::find_if(mishaps.begin(), mishaps.end(), [](const Mishap& mishap) {
        return mishap.name == "entry of a newer program";
      });
  ASSERT_NE(entry, mishaps.end());
  const auto recover = [&](const Mishap& mishap) {
    for (int i = 0; i < 60; ++i) {
      small.cluster().RecoverAfter(mishap, NodeId(1 + i % 3));
    }
  };
  recover(*entry);
  EXPECT_EQ(small.world().violations(), std::vector<std::string>{});
  EXPECT_GT(small.world().marks().at("node.disk_mishandled"), 10u);
  // Some of the replicas are not right, so they were halted.
  Mishap harmless = *entry;
  harmless.outcome = Mishap::Outcome::kHarmless;
  recover(harmless);
  small.ExpectFound("mishap: node");
}

// The copy of a sound disk recovers, whatever a crash leaves of it.
TEST(Cluster, ShadowOfASoundDisk_GivesNoViolation) {
  Small small(1);
  const NodeId first = small.Elect();
  for (int i = 0; i < 20; ++i) {
    small.cluster().Recover(first);
    small.world().RunFor(Milliseconds(7));
  }
  EXPECT_EQ(small.cluster().shadow_recoveries(), 20u);
  EXPECT_EQ(small.world().violations(), std::vector<std::string>{});
}

TEST(Cluster, ShadowsOfEqualDisks_StartOnce) {
  Small small(1);
  const NodeId first = small.Elect();
  small.world().RunFor(Seconds(1));
  for (int i = 0; i < 10; ++i) small.cluster().Recover(first);
  EXPECT_EQ(small.cluster().shadow_recoveries(), 10u);
  EXPECT_EQ(small.cluster().shadow_starts(), 1u);
  const MachineId machine = small.cluster().machine(first);
  ASSERT_TRUE(small.world().FlipDiskBit(machine, "identity", 20, 1));
  small.cluster().Recover(first);
  EXPECT_EQ(small.cluster().shadow_starts(), 2u);
  small.ExpectFound("shadow recovery: node");
}

// Each start of the node changes its disk.
TEST(Cluster, RepeatedInstall_EveryThirdChangeIsRecovered) {
  using Moment = ShadowRecovery::Moment;
  Small small(1);
  const MachineId machine = small.cluster().machine(small.Elect());
  ShadowRecovery shadows(&small.world(), &small.replica_checker());
  const auto recovered = [&](Moment moment) {
    shadows.Follow(machine, moment);
    uint32_t due = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < 2 * ShadowRecovery::kChanges; ++i) {
      small.world().Crash(machine, CrashKind::kProcess);
      small.world().Restart(machine);
      small.world().RunFor(Seconds(1));
      if (!shadows.Due(machine)) continue;
      ++due;
      count += shadows.Recovers(machine) ? 1 : 0;
    }
    EXPECT_EQ(due, ShadowRecovery::kChanges);
    return count;
  };
  EXPECT_EQ(recovered(Moment::kInstall), ShadowRecovery::kChanges);
  EXPECT_EQ(recovered(Moment::kTruncate), ShadowRecovery::kChanges);
  EXPECT_EQ(recovered(Moment::kInstall), ShadowRecovery::kChanges / 3);
}

// Which marks are followed is drawn, so the test reaches many of them.
TEST(Cluster, RareMarkOfRaft_IsFollowedOnceInARun) {
  Small small(1);
  const MachineId machine = small.cluster().machine(small.Elect());
  ShadowRecovery shadows(&small.world(), &small.replica_checker());
  const auto changes_followed = [&](std::string_view area) {
    uint32_t due = 0;
    for (int mark = 0; mark < 160; ++mark) {
      shadows.OnMark(machine, std::string(area) + std::to_string(mark));
      small.world().Crash(machine, CrashKind::kProcess);
      small.world().Restart(machine);
      small.world().RunFor(Seconds(1));
      due += shadows.Due(machine) ? 1 : 0;
    }
    return due;
  };
  EXPECT_EQ(changes_followed("kv.mark_"), 0u);
  EXPECT_GE(changes_followed("raft.mark_"), ShadowRecovery::kChanges);
  // The first time in a run is rare, and later times are not.
  EXPECT_LT(changes_followed("raft.mark_"), ShadowRecovery::kChanges);
}

TEST(Cluster, ShadowOfADamagedDisk_Found) {
  Small small(1);
  const NodeId first = small.Elect();
  const MachineId machine = small.cluster().machine(first);
  ASSERT_TRUE(small.world().FlipDiskBit(machine, "identity", 20, 1));
  small.cluster().Recover(first);
  small.ExpectFound("shadow recovery: node");
}

// The node has no snapshot, so mishaps of snapshots do not happen.
TEST(Cluster, EachMishap_IsRefusedOrContained) {
  Small small(1);
  const NodeId first = small.Elect();
  for (const Mishap& mishap : Mishaps()) {
    small.cluster().RecoverAfter(mishap, first);
  }
  EXPECT_EQ(small.world().violations(), std::vector<std::string>{});
  EXPECT_GT(small.world().marks().at("node.disk_mishandled"), 15u);
}

TEST(Cluster, MishapThatIsNotRefused_Found) {
  Small small(1);
  const Mishap nothing = {.name = "nothing",
                          .outcome = Mishap::Outcome::kRefused,
                          .says = "refused",
                          .happen = [](MishandledDirectory*) { return true; }};
  small.cluster().RecoverAfter(nothing, small.Elect());
  small.ExpectFound("mishap: node");
}

// Without its identity file, the node does not start.
TEST(Cluster, HarmfulMishapThatIsCalledHarmless_Found) {
  Small small(1);
  const Mishap harmful = {.name = "identity lost",
                          .outcome = Mishap::Outcome::kHarmless,
                          .happen = [](MishandledDirectory* d) {
                            return d->Remove("identity"), true;
                          }};
  small.cluster().RecoverAfter(harmful, small.Elect());
  small.ExpectFound("mishap: node");
}

TEST(Cluster, MishapThatIsRefusedWhereItMustHalt_Found) {
  Small small(1);
  const NodeId node = small.Elect();
  const Mishap refused = {.name = "identity lost",
                          .outcome = Mishap::Outcome::kHalted,
                          .happen = [](MishandledDirectory* d) {
                            return d->Remove("identity"), true;
                          }};
  small.cluster().RecoverAfter(refused, node);
  small.ExpectFound(absl::StrCat("mishap: node ", node.value(),
                                 ", identity lost: it does not start"));
}

TEST(Cluster, MishapThatFencesWhereItMustHalt_Found) {
  Small small(1);
  const NodeId node = small.Elect();
  const auto mishaps = Mishaps();
  Mishap mishap = *std::find_if(
      mishaps.begin(), mishaps.end(),
      [](const Mishap& m) { return m.name == "record that does not parse"; });
  mishap.outcome = Mishap::Outcome::kHalted;
  // Each attempt draws a record, and some records cannot have the mishap.
  for (int i = 0; i < 20; ++i) small.cluster().RecoverAfter(mishap, node);
  small.ExpectFound(absl::StrCat("mishap: node ", node.value(),
                                 ", record that does not parse: "));
}

// The replica is reported with an entry on its disk that its disk lacks.
TEST(Cluster, ShadowOfADiskThatForgot_Found) {
  Small future(1);
  const NodeId first = future.Elect();
  future.world().Crash(future.cluster().machine(first), CrashKind::kProcess);
  const NodeId second = future.Elect(first);
  future.world().RunFor(Seconds(1));
  const NodeId third(6 - first.value() - second.value());
  Small small(1);
  ASSERT_EQ(small.Elect(), first);
  // The files stay, so the second copy is compared without a start.
  small.cluster().Recover(third);
  small.replica_checker().OnStep(third, kGroup, future.core(third), {});
  small.replica_checker().OnWritten(
      third, kGroup, {.hard_state = {future.core(third).term(), ReplicaId()}});
  const size_t before = small.world().violations().size();
  small.cluster().Recover(third);
  EXPECT_EQ(small.cluster().shadow_starts(), 1u);
  const std::vector<std::string>& found = small.world().violations();
  ASSERT_GT(found.size(), before);
  EXPECT_NE(found[before].find("durability: replica"), std::string::npos)
      << found[before];
}

// The mark may name an offset behind zeros. Without them nothing is lost before
// the mark, and what is lost behind it looks like a torn tail.
TEST(Cluster, LostEndOfALog_IsSeenBeforeTheMark) {
  Small small(1);
  const MachineId machine = small.cluster().machine(small.Elect());
  const auto mishaps = Mishaps();
  const auto zeros = std::ranges::find(
      mishaps, "end of the last segment overwritten with zeros", &Mishap::name);
  ASSERT_NE(zeros, mishaps.end());
  World shelf({.seed = 2});
  const MachineId copy = shelf.AddMachine({.name = "copy"});
  int happened = 0;
  for (uint64_t draw = 1; draw <= 100; ++draw) {
    shelf.EraseDisk(copy);
    shelf.CopyDisk(copy, small.world(), machine, CrashKind::kProcess);
    MishandledDirectory directory(&shelf, copy, Random(draw));
    // The next segment has only zeros.
    std::vector<std::string> segments = directory.Names("log-");
    const auto end_of = [&](const std::string& name) {
      return directory.Read(name).find_last_not_of('\0') + 1;
    };
    while (end_of(segments.back()) == 0) segments.pop_back();
    const std::string segment = segments.back();
    const std::string before = directory.Read(segment);
    const auto identity = raft::DecodeIdentity(directory.Read("identity"));
    directory.Write(raft::kEndMarkName,
                    raft::EncodeEndMark(identity->cluster, identity->store,
                                        {raft::ParseSegmentName(segment),
                                         end_of(segment) + 1'000}));
    if (!zeros->happen(&directory)) continue;
    ++happened;
    EXPECT_TRUE(directory.Read(segment) != before);
  }
  EXPECT_GT(happened, 0);
}

// A replica that started in the run is not on the disk any more.
TEST(Cluster, ShadowWithoutAReplicaThatStarted_Found) {
  Small small(1);
  const NodeId first = small.Elect();
  small.cluster().Recover(first);
  EXPECT_EQ(small.world().violations(), std::vector<std::string>{});
  small.replica_checker().OnStart(first, GroupId(2), small.core(first));
  // The files stay, so the second copy is compared without a start.
  small.cluster().Recover(first);
  EXPECT_EQ(small.cluster().shadow_starts(), 1u);
  small.ExpectFound("shadow recovery: node");
}

TEST(Cluster, MishapAfterWhichAReplicaIsForgotten_Found) {
  Small small(1);
  const Mishap nothing = {.name = "nothing",
                          .happen = [](MishandledDirectory*) { return true; }};
  const NodeId first = small.Elect();
  small.cluster().RecoverAfter(nothing, first);
  EXPECT_EQ(small.world().violations(), std::vector<std::string>{});
  small.replica_checker().OnStart(first, GroupId(2), small.core(first));
  small.cluster().RecoverAfter(nothing, first);
  small.ExpectFound("mishap: node");
}

// A node that is down or starting has not agreed, unless its damaged disk keeps
// it from starting.
TEST(Cluster, Settled_OnceEveryAllowedNodeRunsAndHasCaughtUp) {
  Small small(1);
  const NodeId first = small.Elect();
  Cluster& cluster = small.cluster();
  ClusterChecks checks(&small.world(), &small.replica_checker(), &cluster);
  const auto settled = [&] { return checks.Settled(cluster.machines()); };
  EXPECT_TRUE(small.world().RunUntilTrue(settled));
  const NodeId other(first == NodeId(1) ? 2 : 1);
  const MachineId machine = cluster.machine(other);
  small.world().Crash(machine, CrashKind::kProcess);
  EXPECT_FALSE(settled());
  small.world().Restart(machine);
  EXPECT_FALSE(settled());
  EXPECT_TRUE(small.world().RunUntilTrue(settled));
  EXPECT_NE(cluster.server(other), nullptr);
  small.world().Crash(machine, CrashKind::kProcess);
  cluster.SetDamaged(FilesOfOne(machine, {""}));
  EXPECT_TRUE(settled());
  const std::string snapshot = raft::SnapshotName(
      {GroupId(1), ReplicaId(7)}, {raft::Term(2), raft::Index(9)});
  cluster.SetDamaged(FilesOfOne(machine, {snapshot}));
  EXPECT_FALSE(settled());
  EXPECT_TRUE(cluster.MayNotWork(other, GroupId(1)));
  EXPECT_FALSE(cluster.MayNotWork(other, GroupId(2)));
}

// The leader reaches no other voter, and does not give up its role.
TEST(Cluster, LeaderWithoutAMajority_Found) {
  Small small(1);
  const NodeId leader = small.Elect();
  Cluster& cluster = small.cluster();
  ClusterChecks checks(&small.world(), &small.replica_checker(), &cluster);
  std::vector<MachineId> part = {
      cluster.machine(leader), cluster.machine(NodeId(leader.value() % 3 + 1))};
  const auto part_of = [&](MachineId) -> const std::vector<MachineId>& {
    return part;
  };
  checks.CheckLeaders(SimTime(), part_of);
  EXPECT_EQ(small.world().violations(), std::vector<std::string>{});
  part.pop_back();
  checks.CheckLeaders(SimTime(), part_of);
  small.ExpectFound("check-quorum: node");
}

TEST(Cluster, LedSince_UntilTheNodeStops) {
  Small small(1);
  const NodeId first = small.Elect();
  Cluster& cluster = small.cluster();
  EXPECT_TRUE(
      cluster.leaderships().LedSince(first, GroupId(1), small.world().now()));
  small.world().Crash(cluster.machine(first), CrashKind::kProcess);
  const NodeId second = small.Elect(first);
  small.world().RunFor(Seconds(1));
  EXPECT_FALSE(
      cluster.leaderships().LedSince(first, GroupId(1), small.world().now()));
  EXPECT_TRUE(cluster.leaderships().LedSince(first, GroupId(1), SimTime()));
  EXPECT_TRUE(
      cluster.leaderships().LedSince(second, GroupId(1), small.world().now()));
}

// A node that is cut off after its start, though it seems to reach the others.
TEST(Cluster, NodeThatDoesNotLearnItsLeader_Found) {
  Small small(1);
  const NodeId leader = small.Elect();
  Cluster& cluster = small.cluster();
  ClusterChecks checks(&small.world(), &small.replica_checker(), &cluster);
  const auto part_of = [&](MachineId) -> const std::vector<MachineId>& {
    return cluster.machines();
  };
  small.world().RunFor(Seconds(2));
  const auto check = [&] {
    checks.CheckKnownLeaders(SimTime(), Seconds(2), part_of);
    return small.world().violations().size();
  };
  EXPECT_EQ(check(), 0u);
  const MachineId other = cluster.machine(NodeId(leader.value() % 3 + 1));
  for (const MachineId machine : cluster.machines()) {
    if (machine != other) small.world().BlockLink(machine, other);
  }
  small.world().Crash(other, CrashKind::kProcess);
  small.world().Restart(other);
  small.world().RunFor(Seconds(2));
  EXPECT_EQ(check(), 0u) << "it has known none for a moment";
  small.world().RunFor(Seconds(2));
  EXPECT_EQ(check(), 1u);
  small.ExpectFound("leader: node");
}

// The node stands still, so it names the former leader. That one leads again
// soon, since it is preferred.
// The controller does that to a node that counted as dead.
TEST(Cluster, NodeThatTheControllerLeftOut_NeedNotKnowItsLeader) {
  constexpr GroupId kController = shardctrl::kControllerGroup;
  Small small(1);
  small.Elect();
  small.world().RunFor(Seconds(2));
  Cluster& cluster = small.cluster();
  ClusterChecks checks(&small.world(), &small.replica_checker(), &cluster);
  const NodeId leader = cluster.LeaderOf(kController);
  const NodeId other(leader.value() % 3 + 1);
  raft::Host& host = cluster.server(leader)->host();
  const raft::Core& core = *host.core(kController);
  raft::Configuration target = core.configuration();
  std::erase_if(target.voters, [other](const raft::Member& member) {
    return member.node == other;
  });
  host.ChangeConfiguration(kController, core.configuration_index(), target,
                           [](const raft::ProposeResult& result) {
                             EXPECT_TRUE(result.status.ok()) << result.status;
                           });
  const auto known = [&] {
    return cluster.server(other)->host().leader(kController);
  };
  small.world().RunFor(Milliseconds(10));
  ASSERT_EQ(core.configuration().voters.size(), 2u);
  cluster.server(other)->host().DropReplica(kController, [](absl::Status) {});
  ASSERT_TRUE(small.world().RunUntilTrue([&] { return known() == NodeId(); }));
  const auto check = [&] {
    checks.CheckKnownLeaders(SimTime(), Milliseconds(1),
                             [&](MachineId) -> const std::vector<MachineId>& {
                               return cluster.machines();
                             });
  };
  check();
  small.world().RunFor(Milliseconds(2));
  ASSERT_EQ(known(), NodeId());
  check();
  EXPECT_EQ(small.world().violations(), std::vector<std::string>{});
}

// A node whose replica was dropped gets another one, which joins the group.
TEST(Cluster, ReplicaThatJoins_HasNoVoteAndMayBeForgotten) {
  Small small(1);
  const NodeId leader = small.Elect();
  const NodeId other(leader == NodeId(1) ? 2 : 1);
  Cluster& cluster = small.cluster();
  ClusterChecks checks(&small.world(), &small.replica_checker(), &cluster);
  const std::vector<MachineId> two = {cluster.machine(leader),
                                      cluster.machine(other)};
  EXPECT_TRUE(checks.HasMajority(kGroup, two));
  raft::Host& host = cluster.server(other)->host();
  host.DropReplica(kGroup, [](absl::Status) {});
  ASSERT_TRUE(
      small.world().RunUntilTrue([&] { return host.core(kGroup) == nullptr; }));
  ASSERT_TRUE(
      small.world().RunUntilTrue([&] { return host.core(kGroup) != nullptr; }));
  EXPECT_TRUE(checks.LacksVoter(other));
  EXPECT_FALSE(checks.HasMajority(kGroup, two));
  for (size_t i = 0; i < Mishaps().size() * 4; ++i) {
    cluster.RecoverAfter(Mishaps()[i / 4], other);
  }
  ASSERT_TRUE(
      small.world().RunUntilTrue([&] { return !checks.LacksVoter(other); }));
  EXPECT_TRUE(checks.HasMajority(kGroup, two));
  EXPECT_EQ(small.world().violations(), std::vector<std::string>{});
}

TEST(Cluster, NodeThatNamesAWrongLeader_Found) {
  Small small(1);
  const NodeId first = small.Elect();
  Cluster& cluster = small.cluster();
  ClusterChecks checks(&small.world(), &small.replica_checker(), &cluster);
  const auto part_of = [&](MachineId) -> const std::vector<MachineId>& {
    return cluster.machines();
  };
  small.world().RunFor(Seconds(2));
  const auto check = [&] {
    checks.CheckKnownLeaders(SimTime(), Milliseconds(200), part_of);
    return small.world().violations().size();
  };
  const NodeId still(first.value() % 3 + 1);
  const NodeId second(still.value() % 3 + 1);
  small.world().Pause(cluster.machine(still));
  raft::Host& host = cluster.server(first)->host();
  host.TransferLeadership(
      kGroup, raft::ReplicaOn(host.core(kGroup)->configuration(), second));
  EXPECT_EQ(small.Elect(first), second);
  EXPECT_EQ(cluster.server(still)->LeaderOf(kGroup), first);
  EXPECT_EQ(check(), 0u);
  small.world().RunFor(Milliseconds(100));
  EXPECT_EQ(check(), 0u) << "it has named the former leader for a moment";
  small.world().RunFor(Milliseconds(100));
  EXPECT_EQ(check(), 1u);
  small.ExpectFound(absl::StrCat("leader: node ", still.value(), " names node ",
                                 first.value(), " of group 1"));
}

// A node that dies stands for one that loses its role without a reason.
TEST(Cluster, LeadershipThatBeginsInTheCalm_Found) {
  Small small(1);
  small.Elect();
  // The other groups have leaders, and this one the preferred node.
  small.world().RunFor(Seconds(5));
  const NodeId first = small.Elect();
  Cluster& cluster = small.cluster();
  ClusterChecks checks(&small.world(), &small.replica_checker(), &cluster);
  checks.BeginCalm();
  small.world().RunFor(Seconds(2));
  checks.EndCalm();
  EXPECT_EQ(small.world().violations(), std::vector<std::string>{});
  checks.BeginCalm();
  small.world().Crash(cluster.machine(first), CrashKind::kProcess);
  small.Elect(first);
  checks.EndCalm();
  small.ExpectFound("availability: 1 leaderships of group 1");
}

// Slots that move in the calm may fill the disk of a leader.
TEST(Cluster, LeadershipThatASlowDiskGivesAway_MayBeginInTheCalm) {
  Small small(1, /*bootstrap_left_on=*/false, node::ListenConfig(),
              /*spares=*/1);
  small.Elect();
  small.world().RunFor(Seconds(5));
  const NodeId first = small.Elect();
  Cluster& cluster = small.cluster();
  ClusterChecks checks(&small.world(), &small.replica_checker(), &cluster);
  checks.BeginCalm();
  small.world().StallDisk(cluster.machine(first),
                          small.world().now() + Seconds(3));
  const std::string address = cluster.nodes()[first.value() - 1].resp;
  // The second write finds the first one unwritten.
  for (int i = 0; i < 2; ++i) {
    small.world().Start(
        small.world().AddMachine({.client = true}),
        [&](env::Env& env) { return std::make_shared<Asker>(env, address); });
    small.world().RunFor(Milliseconds(100));
  }
  small.Elect(first);
  EXPECT_GT(cluster.given_away(kGroup), 0u);
  checks.EndCalm();
  EXPECT_EQ(small.world().violations(), std::vector<std::string>{});
  // That one is no excuse for a later calm.
  checks.BeginCalm();
  const NodeId last = small.Elect();
  small.world().Crash(cluster.machine(last), CrashKind::kProcess);
  small.Elect(last);
  checks.EndCalm();
  small.ExpectFound("availability: 1 leaderships of group 1");
}

TEST(Cluster, StoreOfOtherSlots_Found) {
  Small small(1);
  const NodeId leader = small.Elect();
  Cluster& cluster = small.cluster();
  ClusterChecks checks(&small.world(), &small.replica_checker(), &cluster);
  GroupMembers shard = cluster.groups()[0];
  const kv::Store& store = *cluster.server(leader)->store(kGroup);
  checks.CheckOwned(leader, shard, store);
  EXPECT_EQ(small.world().violations(), std::vector<std::string>{});
  --shard.slots.back().second;
  checks.CheckOwned(leader, shard, store);
  small.ExpectFound("slots: node");
}

// The request waits for a leader while two of three nodes are down.
TEST(Cluster, WorkThatDoesNotEnd_IsFound) {
  Small small(1);
  World& world = small.world();
  const ClusterChecks checks(&world, &small.replica_checker(),
                             &small.cluster());
  const NodeId leader = small.Elect();
  EXPECT_TRUE(world.RunUntilTrue([&] { return !checks.HasOpenWork(); }));
  EXPECT_EQ(checks.OpenWork(), "");
  const NodeId asked(leader.value() % 3 + 1);
  const NodeId third(asked.value() % 3 + 1);
  world.Crash(small.cluster().machine(leader), CrashKind::kMachine);
  world.Crash(small.cluster().machine(third), CrashKind::kMachine);
  const std::string address =
      small.cluster().resp_addresses()[asked.value() - 1];
  world.Start(world.AddMachine({.client = true}), [&](env::Env& env) {
    return std::make_shared<Asker>(env, address);
  });
  EXPECT_TRUE(world.RunUntilTrue([&] { return checks.HasOpenWork(); }));
  EXPECT_TRUE(absl::StrContains(checks.OpenWork(), "quorate_held_requests"))
      << checks.OpenWork();
}

TEST(Cluster, FilesThatStayOpen_AreFound) {
  Small small(1);
  World& world = small.world();
  const ClusterChecks checks(&world, &small.replica_checker(),
                             &small.cluster());
  small.Elect();
  EXPECT_TRUE(
      world.RunUntilTrue([&] { return checks.SurplusOpenFiles().empty(); }));
  const MachineId machine = small.cluster().machine(NodeId(1));
  std::vector<std::unique_ptr<env::File>> files;
  std::vector<env::Pending> pending;
  // The log has one file open, and may have two. One snapshot may be open.
  for (const char* name :
       {"snap-00000001-a", "snap-00000001-b.w1", "snap-00000001-c"}) {
    pending.push_back(world.env(machine).disk.Open(
        name, env::Disk::OpenMode::kCreate,
        [&](absl::StatusOr<std::unique_ptr<env::File>> file) {
          files.push_back(*std::move(file));
        }));
  }
  world.RunFor(Seconds(1));
  ASSERT_EQ(files.size(), 3u);
  std::vector<std::string> open = world.OpenFiles(machine);
  std::erase(open, "log.end");
  EXPECT_EQ(checks.SurplusOpenFiles(),
            absl::StrCat("node 1: 4 files are open instead of 3: ",
                         absl::StrJoin(open, " "), "\n"));
  // A snapshot that is being written may need more time.
  const uint64_t before = checks.OpenSnapshotBytes();
  const Buffer piece = Buffer::Copy("0123456789");
  pending.push_back(files[1]->Write(0, {&piece, 1}, env::Durability::kDurable,
                                    [](const absl::Status&) {}));
  world.RunFor(Seconds(1));
  EXPECT_EQ(checks.OpenSnapshotBytes(), before + 10);
  files.pop_back();
  EXPECT_EQ(checks.SurplusOpenFiles(), "");
}

// The log times of a group whose leader's clock is `error` ahead of the true
// time, in an election after the first one.
std::vector<std::string> ViolationsOfAWrongClock(Duration error, bool bounded) {
  Small small(1);
  World& world = small.world();
  Cluster& cluster = small.cluster();
  CommittedStates states;
  ExpiryChecker checker(&states,
                        [&](std::string what) { world.Violate(what); });
  checker.SetClocks({.epoch = WorldOptions().epoch});
  cluster.SetCommitHook([&](GroupId group, const raft::Entry& entry) {
    checker.OnEntry(group, world.now(),
                    {.term = entry.term,
                     .log_time = entry.log_time,
                     .bounded = entry.leader_wall.bounded()});
    states.OnEntry(group, world.now(), entry.log_time);
  });
  const NodeId first = small.Elect();
  world.RunFor(Seconds(1));
  for (const NodeId node : {NodeId(1), NodeId(2), NodeId(3)}) {
    if (node == first) continue;
    SimClock& clock = world.clock(cluster.machine(node));
    clock.SetWallLatestKnown(bounded);
    clock.SetWallOffset(error);
    world.ClockChanged(cluster.machine(node));
  }
  world.Crash(cluster.machine(first), CrashKind::kMachine);
  small.Elect(first);
  world.RunFor(Seconds(1));
  return world.violations();
}

TEST(Clocks, ErrorWithinTheStatedBound_IsHarmless) {
  EXPECT_EQ(ViolationsOfAWrongClock(Milliseconds(10), true),
            std::vector<std::string>{});
}

// Nothing protects from a clock that states a bound and breaks it.
TEST(Clocks, ErrorBeyondTheStatedBound_IsSeen) {
  const auto violations = ViolationsOfAWrongClock(Seconds(3600), true);
  ASSERT_FALSE(violations.empty());
  EXPECT_TRUE(violations[0].starts_with("log time: ")) << violations[0];
}

TEST(Clocks, WrongClockThatStatesNoBound_IsHarmless) {
  EXPECT_EQ(ViolationsOfAWrongClock(Seconds(3600), false),
            std::vector<std::string>{});
  EXPECT_EQ(ViolationsOfAWrongClock(Seconds(-3600), false),
            std::vector<std::string>{});
}

}  // namespace
}  // namespace quorate::sim
