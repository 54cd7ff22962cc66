// The operator's rules on real hosts, each with a violation that a test plants.
#include "sim/harness/group_operator.h"

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "env/disk.h"
#include "env/little_endian.h"
#include "gtest/gtest.h"
#include "sim/harness/replica_observer.h"

namespace quorate::sim {
namespace {

constexpr GroupId kFounded(1);
constexpr size_t kNodes = 3;

// Counts commands. The result is their number, or twice as much in a wrong one.
class Tally final : public raft::StateMachine {
 public:
  explicit Tally(uint64_t factor) : factor_(factor) {}
  Buffer Apply(const raft::Entry&, bool) override {
    ++count_;
    return Buffer::Copy(std::to_string(count_ * factor_));
  }
  std::unique_ptr<raft::SnapshotReader> TakeSnapshot() override {
    class Reader final : public raft::SnapshotReader {
     public:
      explicit Reader(uint64_t count) { AppendFixed(&bytes_, count); }
      Buffer Next(size_t size) override {
        const std::string piece = bytes_.substr(0, size);
        bytes_.erase(0, size);
        return Buffer::Copy(piece);
      }

     private:
      std::string bytes_;
    };
    return std::make_unique<Reader>(count_);
  }
  std::unique_ptr<raft::SnapshotWriter> BeginRestore(
      const raft::SnapshotDescriptor&) override {
    class Writer final : public raft::SnapshotWriter {
     public:
      explicit Writer(uint64_t* count) : count_(count) {}
      absl::Status Add(std::string_view bytes) override {
        bytes_ += bytes;
        return absl::OkStatus();
      }
      absl::Status Commit() override {
        *count_ = LoadFixed<uint64_t>(bytes_.data());
        return absl::OkStatus();
      }

     private:
      uint64_t* const count_;
      std::string bytes_;
    };
    return std::make_unique<Writer>(&count_);
  }
  uint64_t Digest() const override { return count_; }

 private:
  const uint64_t factor_;
  uint64_t count_ = 0;
};

struct TallyModel {
  using State = int64_t;
  State Initial() const { return 0; }
  bool Step(State& state, const lincheck::Operation& add) const {
    ++state;
    return !add.known() || add.result == lincheck::Value::Integer(state);
  }
  bool IsRead(const lincheck::Operation&) const { return false; }
  std::string_view Name(uint8_t) const { return "count"; }
  std::string Describe(const State& state) const {
    return std::to_string(state);
  }
};

class TallyTest final : public StateMachineTest {
 public:
  std::unique_ptr<raft::StateMachine> Make() override {
    return std::make_unique<Tally>(factor);
  }
  Command Draw(const Random& random, lincheck::History&) override {
    return {.payload = Buffer::Copy(absl::StrCat(random.Bits("test", 0, 0)))};
  }
  lincheck::Value ResultOf(const Command&, std::string_view result,
                           lincheck::History&) override {
    return lincheck::Value::Integer(std::stoll(std::string(result)));
  }
  const lincheck::Model& model() const override { return model_; }

  uint64_t factor = 1;

 private:
  const lincheck::ModelOf<TallyModel> model_;
};

class GroupOperatorTest : public testing::Test {
 protected:
  class Program;

  // A run with the operator, without faults.
  void Begin(uint64_t seed, uint64_t factor = 1) {
    world_ = std::make_unique<World>(WorldOptions{.seed = seed});
    test_.factor = factor;
    checker_.emplace([this](std::string what) { world_->Violate(what); });
    for (size_t i = 0; i < kNodes; ++i) {
      machines_.push_back(world_->AddMachine({}));
    }
    world_->SetStepHook([this](MachineId) {
      if (!world_->violations().empty()) world_->StopRunning();
    });
    operator_ = std::make_unique<GroupOperator>(
        world_.get(), &machines_, kNodes, &test_,
        [this](size_t node) { return HostOf(node); },
        [this](size_t node) { return peers_of_(node); });
    for (size_t i = 0; i < kNodes; ++i) {
      world_->Start(machines_[i], [this, i](env::Env& env) {
        return std::make_shared<Program>(env, this, i);
      });
    }
  }
  void TearDown() override {
    for (const MachineId machine : machines_) {
      if (world_->running(machine)) {
        world_->Crash(machine, CrashKind::kProcess);
      }
    }
  }

  raft::Host* HostOf(size_t node) const;
  static std::vector<env::PeerAddress> PeersOf(size_t node) {
    std::vector<env::PeerAddress> peers;
    for (size_t i = 0; i < kNodes; ++i) {
      if (i != node) peers.push_back({NodeId(i + 1), AddressOf(i)});
    }
    return peers;
  }
  static std::string AddressOf(size_t node) {
    return absl::StrCat("n", node + 1, ":9001");
  }
  bool Works(size_t node) const {
    raft::Host* const host = HostOf(node);
    return host != nullptr && host->group_status(GroupOperator::kGroup).ok();
  }
  // Runs until it is true. A violation ends the run.
  template <typename Condition>
  bool Await(Condition condition) {
    return world_->RunUntilTrue(
        [&] { return condition() || !world_->violations().empty(); },
        Seconds(120));
  }
  std::string Violation() const {
    const auto& violations = world_->violations();
    return violations.empty() ? "" : violations.front();
  }

  std::unique_ptr<World> world_;
  std::function<std::vector<env::PeerAddress>(size_t)> peers_of_ = PeersOf;
  TallyTest test_;
  std::vector<MachineId> machines_;
  std::vector<Program*> programs_{kNodes};
  std::unique_ptr<GroupOperator> operator_;
  std::optional<ReplicaChecker> checker_;
  std::vector<ReplicaId> created_;  // Replicas of the first node, in order.
  std::set<size_t> started_;
};

class GroupOperatorTest::Program final : public ReplicaObserver {
 public:
  Program(env::Env& env, GroupOperatorTest* test, size_t node)
      : ReplicaObserver(test->world_.get(), test->machines_[node],
                        NodeId(node + 1), &*test->checker_),
        env_(env),
        test_(test),
        node_(node),
        host_(
            env, OptionsOf(),
            [this](GroupId, const raft::Configuration&) {
              return test_->test_.Make();
            },
            this) {
    test_->programs_[node_] = this;
    test_->operator_->OnBoot(node_);
    host_.Start([this](absl::Status status) {
      ASSERT_TRUE(status.ok()) << status;
      started_ = true;
      test_->started_.insert(node_);
      Tick();
    });
  }
  ~Program() { test_->programs_[node_] = nullptr; }

  raft::Host* host() { return started_ ? &host_ : nullptr; }

 private:
  raft::HostOptions OptionsOf() const {
    raft::HostOptions options;
    options.cluster = ClusterId(1);
    options.node = NodeId(node_ + 1);
    options.listen_address = AddressOf(node_);
    options.peers = PeersOf(node_);
    options.plan.groups = {
        {.group = kFounded, .voters = {NodeId(1), NodeId(2), NodeId(3)}}};
    options.bootstrap = !test_->started_.contains(node_);
    options.snapshot_threshold_bytes = 500;
    return options;
  }
  void Tick() {
    timer_ = env_.loop.At(env_.loop.ReadClock().mono + Milliseconds(50),
                          [this] { Tick(); });
    CheckChanged(host_);
    test_->operator_->OnTick(node_);
  }

  ReplicaChecker& CheckerOf(GroupId group) override {
    return group == kFounded ? *test_->checker_
                             : test_->operator_->CheckerOf(node_);
  }
  void OnRecovered(GroupId group, const raft::Core& core) override {
    if (group != kFounded) {
      if (node_ == 0) test_->created_.push_back(core.replica());
      test_->operator_->OnRecovered(node_, core.replica());
    }
    ReplicaObserver::OnRecovered(group, core);
  }
  void OnCommitted(GroupId group, const raft::Entry& entry) override {
    if (group != kFounded) test_->operator_->OnCommitted(node_, entry);
  }
  void OnStopped(const absl::Status& why) override { FAIL() << why; }

  env::Env& env_;
  GroupOperatorTest* const test_;
  const size_t node_;
  bool started_ = false;
  env::Pending timer_;
  raft::Host host_;
};

raft::Host* GroupOperatorTest::HostOf(size_t node) const {
  return programs_[node] == nullptr ? nullptr : programs_[node]->host();
}

TEST_F(GroupOperatorTest, Run_CreatesAndDropsGroups_AndSettles) {
  Begin(1);
  world_->RunFor(Seconds(60));
  EXPECT_GE(operator_->creations(), 3u);
  EXPECT_GE(world_->marks().at("operator.group_dropped"), 2u);
  EXPECT_GE(world_->marks().at("operator.members_changed"), 1u);
  EXPECT_GE(world_->marks().at("operator.joiner_votes"), 1u);
  operator_->Finish();
  operator_->Probe();
  EXPECT_TRUE(Await([&] { return operator_->Settled(); }))
      << operator_->Describe();
  EXPECT_EQ(Violation(), "");
}

TEST_F(GroupOperatorTest, NodeThatIsDown_LeavesTheLastWishOpen) {
  Begin(1);
  ASSERT_TRUE(Await([&] { return Works(0) && Works(1) && Works(2); }));
  world_->Crash(machines_[2], CrashKind::kProcess);
  operator_->Finish();
  operator_->Probe();
  world_->RunFor(Seconds(20));
  EXPECT_FALSE(operator_->Settled());
  world_->Restart(machines_[2]);
  EXPECT_TRUE(Await([&] { return operator_->Settled(); }))
      << operator_->Describe();
}

TEST_F(GroupOperatorTest, DroppedReplicaThatComesBack_IsReported) {
  Begin(1);
  ASSERT_TRUE(Await([&] { return operator_->creations() > 2; }));
  ASSERT_FALSE(created_.empty());
  operator_->OnRecovered(0, created_.front());
  EXPECT_EQ(Violation(),
            "dropped: node 1, group 2: the replica came back after its drop");
}

TEST_F(GroupOperatorTest, UnfoundedReplica_IsReported) {
  Begin(1);
  operator_->OnRecovered(1, ReplicaId(77));
  EXPECT_EQ(Violation(),
            "founded: node 2, group 2: no operator has founded the replica "
            "that runs");
}

TEST_F(GroupOperatorTest, LateNodeWithAnotherStore_IsReported) {
  Begin(1);
  machines_.push_back(world_->AddMachine({}));
  GroupOperator with_late(
      world_.get(), &machines_, kNodes, &test_,
      [](size_t) -> raft::Host* { return nullptr; }, PeersOf);
  const auto admit = [&](uint32_t node, uint64_t store) {
    return with_late.Admit(
        {.node = NodeId(node), .store = StoreIncarnation(store)});
  };
  EXPECT_TRUE(absl::IsUnavailable(admit(4, 7)));
  with_late.Finish();
  EXPECT_TRUE(absl::IsPermissionDenied(admit(1, 7)));
  EXPECT_TRUE(absl::IsPermissionDenied(admit(5, 7)));
  EXPECT_EQ(admit(4, 7), absl::OkStatus());
  EXPECT_EQ(admit(4, 7), absl::OkStatus());
  EXPECT_EQ(Violation(), "");
  EXPECT_EQ(admit(4, 8), absl::OkStatus());
  EXPECT_EQ(Violation(),
            "admitted: node 4, group 2: it comes with another store");
}

TEST_F(GroupOperatorTest, ListThatANodeRefuses_IsReported) {
  peers_of_ = [](size_t node) {
    std::vector<env::PeerAddress> peers = PeersOf(node);
    peers.push_back({NodeId(node + 1), AddressOf(node)});
    return peers;
  };
  Begin(1);
  world_->RunFor(Seconds(60));
  EXPECT_TRUE(Violation().starts_with("peers: node ")) << Violation();
}

TEST_F(GroupOperatorTest, ReplicaThatVanishes_IsReported) {
  Begin(1);
  ASSERT_TRUE(Await([&] { return Works(0) && Works(1) && Works(2); }));
  HostOf(0)->DropReplica(GroupOperator::kGroup, [](absl::Status) {});
  Await([] { return false; });
  EXPECT_EQ(Violation(),
            "prepared: node 1, group 2: the node has lost the replica that it "
            "had prepared");
}

TEST_F(GroupOperatorTest, ReplicaAfterTheLastDrop_IsReported) {
  for (uint64_t seed = 1; seed < 50; ++seed) {
    Begin(seed);
    world_->RunFor(Seconds(5));
    operator_->Finish();
    operator_->Probe();
    ASSERT_TRUE(Await([&] { return operator_->Settled(); }));
    if (!Works(0) && !Works(1)) break;
    TearDown();
    machines_.clear();
    started_.clear();
  }
  ASSERT_EQ(Violation(), "");
  HostOf(0)->PrepareReplica(GroupOperator::kGroup,
                            [](absl::StatusOr<ReplicaId>) {});
  Await([] { return false; });
  EXPECT_EQ(Violation(),
            "dropped: node 1, group 2: the node has a replica after its drop");
  EXPECT_FALSE(operator_->Settled());
}

TEST_F(GroupOperatorTest, SnapshotThatADropLeaves_IsReported) {
  Begin(1);
  ASSERT_TRUE(Await([&] { return Works(0); }));
  // The host learns of files at its start alone, so its drop leaves this one.
  const std::string name =
      "snap-00000002-0000000000000001-0000000000000001-0000000000000001";
  env::Disk& disk = world_->env(machines_[0]).disk;
  bool durable = false;
  env::Pending sync;
  env::Pending open = disk.Open(
      name, env::Disk::OpenMode::kCreateIfAbsent,
      [&](absl::StatusOr<std::unique_ptr<env::File>> file) {
        ASSERT_TRUE(file.ok()) << file.status();
        sync = disk.SyncDirectory([&](absl::Status) { durable = true; });
      });
  ASSERT_TRUE(Await([&] { return durable; }));
  Await([] { return false; });
  EXPECT_EQ(Violation(), "dropped: node 1, group 2: the drop has left " + name);
}

TEST_F(GroupOperatorTest, WrongResult_IsReported) {
  Begin(1, /*factor=*/2);
  Await([] { return false; });
  EXPECT_NE(Violation().find("group 2: "), std::string::npos) << Violation();
  EXPECT_NE(Violation().find("count"), std::string::npos) << Violation();
}

}  // namespace
}  // namespace quorate::sim
